/* The bucket walk of a linear layer: lane = image, V vectors of images side by side, so that one
 * walk serves V * L images. The images of a pass are turned into scratch as [v][c][lane]; behind
 * them [k][v][lane] sums wait for those of later chunks. */
#ifndef SB_KERNELS_BUCKET_LINEAR_H
#define SB_KERNELS_BUCKET_LINEAR_H

#include "../epilogue.h"
#include "walk.h"

#include <string.h>

#ifdef SB_CODES
#include "images_codes.h"
#else
#include "images_floats.h"
#endif

/* Lane l of vector v is image v * L + l; images past the last are zero. totals: sum of an image. */
static inline void sb_turn_images(const sb_element *input, size_t channels, size_t images,
                                  sb_element *turned, sb_image_sum *totals) {
    for (size_t image = 0; image < SB_PASS_IMAGES; ++image) {
        sb_element *target = turned + image / SB_LANES * channels * SB_LANES + image % SB_LANES;
        sb_image_sum total = 0;
        for (size_t c = 0; c < channels; ++c) {
            const sb_element value = image < images ? input[image * channels + c] : 0;
            target[c * SB_LANES] = value;
            total += value;
        }
        totals[image] = total;
    }
}

/* All walks of one walk group. */
static inline void sb_linear_group(const sb_layer *layer, const sb_pass *pass, size_t walk_group) {
    const sb_bucket_weights *weights = &layer->buckets;
    const size_t channels = (size_t)layer->geometry.in_channels;
    for (int32_t chunk = 0; chunk < weights->chunk_count; ++chunk) {
        const size_t *starts = weights->starts + (size_t)chunk * weights->walk_groups + walk_group;
        for (size_t i = starts[0]; i < starts[1]; ++i) {
            const sb_bucket_group *group = weights->groups + i;
            const sb_element *windows[SB_VECTORS];
            sb_vector y[SB_FILTERS][SB_VECTORS];
            for (int v = 0; v < SB_VECTORS; ++v)
                windows[v] = pass->turned +
                             ((size_t)v * channels + (size_t)chunk * weights->chunk) * SB_LANES;
            sb_walk_group(weights, group, windows, y);
            for (int32_t f = 0; f < group->filters; ++f)
                sb_collect_images(layer, pass, group, f, y[f]);
        }
    }
}

static inline void sb_bucket_linear(const sb_layer *layer, const sb_operands *operands) {
    const sb_bucket_weights *weights = &layer->buckets;
    const size_t channels = (size_t)layer->geometry.in_channels;
    const sb_element *input = operands->input;
    sb_element *turned = operands->scratch;
    sb_image_sum totals[SB_PASS_IMAGES];
    sb_pass pass = {operands, turned, totals, sb_kept_sums(turned, channels), 0};
    size_t begin, end;
    sb_take_share(operands, (size_t)weights->walk_groups, &begin, &end);
    for (; begin < end && pass.first < operands->batch; pass.first += SB_PASS_IMAGES) {
        sb_turn_images(input + pass.first * channels, channels, operands->batch - pass.first,
                       turned, totals);
        for (size_t i = begin; i < end; ++i)
            sb_linear_group(layer, &pass, i);
        for (size_t i = 0; !begin && i < weights->silent_starts[1]; ++i)
            sb_finish_silent(layer, &pass, (size_t)weights->silent[i]);
    }
}

#endif
