/* Sums of a linear layer's walks to its output, float32. */
#ifndef SB_KERNELS_IMAGES_FLOATS_H
#define SB_KERNELS_IMAGES_FLOATS_H

#include "../epilogue.h"
#include "walk.h"

#include <string.h>

typedef float sb_image_sum;

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

/* T - T is added for the reason given in collect.h. */
static inline void sb_finish_images(const sb_layer *layer, const sb_pass *pass, size_t k,
                                    const sb_vector *sums) {
    const sb_operands *operands = pass->operands;
    const size_t filters = (size_t)layer->geometry.out_channels;
    const float *residual = operands->residual;
    float *output = operands->output;
    for (size_t image = 0; image < SB_PASS_IMAGES && pass->first + image < operands->batch;
         ++image) {
        const size_t index = (pass->first + image) * filters + k;
        float lanes[SB_LANES], value;
        memcpy(lanes, sums + image / SB_LANES, sizeof lanes);
        value = lanes[image % SB_LANES] + (pass->totals[image] - pass->totals[image]);
        sb_finish(&layer->epilogue, k, &value, pass->totals + image,
                  residual ? residual + index : NULL, 1);
        output[index] = value;
    }
}

static inline void sb_collect_images(const sb_layer *layer, const sb_pass *pass,
                                     const sb_bucket_group *group, int32_t f, sb_vector *y) {
    const size_t k = (size_t)group->filter[f];
    float *kept = pass->kept + k * SB_PASS_IMAGES;
    SB_TALLY(!(group->opens >> f & 1));
    for (int v = 0; v < SB_VECTORS && !(group->opens >> f & 1); ++v)
        y[v] = SB_ADD(y[v], SB_LOAD(kept + v * SB_LANES));
    if (group->closes >> f & 1)
        sb_finish_images(layer, pass, k, y);
    for (int v = 0; v < SB_VECTORS && !(group->closes >> f & 1); ++v)
        SB_STORE(kept + v * SB_LANES, y[v]);
}

static inline void sb_finish_silent(const sb_layer *layer, const sb_pass *pass, size_t k) {
    sb_vector y[SB_VECTORS];
    for (int v = 0; v < SB_VECTORS; ++v)
        y[v] = SB_BROADCAST(0);
    sb_finish_images(layer, pass, k, y);
}

#endif
