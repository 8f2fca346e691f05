/* Sums of a linear layer's walks to its output, from codes. */
#ifndef SB_KERNELS_IMAGES_CODES_H
#define SB_KERNELS_IMAGES_CODES_H

#include "../epilogue_codes.h"
#include "walk.h"

#include <string.h>

typedef uint32_t sb_image_sum;

enum { SB_PASS_IMAGES = SB_VECTORS * SB_LANES };

/* The images of one pass, from image `first` of the batch. kept: [k][v][lane]. */
typedef struct sb_pass {
    const sb_operands *operands;
    const sb_element *turned;
    const sb_image_sum *totals;
    sb_image_sum *kept;
    size_t first;
} sb_pass;

/* Behind the turned images, on a multiple of 64 bytes. */
static inline sb_image_sum *sb_kept_sums(sb_element *turned, size_t channels) {
    const size_t bytes = channels * SB_PASS_IMAGES * sizeof *turned;
    return (sb_image_sum *)(void *)((char *)turned + (bytes + 63) / 64 * 64);
}

/* sums: raw, all lanes of all vectors. */
static inline void sb_finish_images(const sb_layer *layer, const sb_pass *pass, size_t k,
                                    const sb_sums *sums) {
    const sb_operands *operands = pass->operands;
    const size_t filters = (size_t)layer->geometry.out_channels;
    for (size_t image = 0; image < SB_PASS_IMAGES && pass->first + image < operands->batch;
         ++image) {
        uint32_t lanes[SB_LANES];
        memcpy(lanes, sums + image / SB_LANES, sizeof lanes);
        sb_finish_sum(layer, operands, k, (pass->first + image) * filters + k,
                      lanes[sb_place_of((int)(image % SB_LANES))], pass->totals[image]);
    }
}

static inline void sb_collect_images(const sb_layer *layer, const sb_pass *pass,
                                     const sb_bucket_group *group, int32_t f, const sb_vector *y) {
    const size_t k = (size_t)group->filter[f];
    uint32_t *kept = pass->kept + k * SB_PASS_IMAGES;
    const sb_vector lift = SB_BROADCAST(group->lift[f]);
    SB_TALLY(!(group->opens >> f & 1));
    sb_sums sums[SB_VECTORS];
    for (int v = 0; v < SB_VECTORS; ++v) {
        sums[v] = sb_widen(SB_ADD(y[v], lift));
        if (!(group->opens >> f & 1))
            sums[v] = sb_add_sums(sums[v], sb_load_sums((const int32_t *)kept + v * SB_LANES));
        if (!(group->closes >> f & 1))
            sb_store_sums((int32_t *)kept + v * SB_LANES, sums[v]);
    }
    if (group->closes >> f & 1)
        sb_finish_images(layer, pass, k, sums);
}

static inline void sb_finish_silent(const sb_layer *layer, const sb_pass *pass, size_t k) {
    sb_sums sums[SB_VECTORS];
    for (int v = 0; v < SB_VECTORS; ++v)
        sums[v] = sb_same_sums(0);
    sb_finish_images(layer, pass, k, sums);
}

#endif
