/* The bucket walk of a linear layer: lane = image, V vectors of images side by side, so that one
 * walk serves V * L images. The images of a pass are turned into scratch as [v][c][lane]. */
#ifndef SB_KERNELS_BUCKET_LINEAR_H
#define SB_KERNELS_BUCKET_LINEAR_H

#include "../epilogue.h"
#include "walk.h"

#include <string.h>

enum { SB_PASS_IMAGES = SB_VECTORS * SB_LANES };

/* Lane l of vector v is image v * L + l; images past the last are zero. totals: sum of an image. */
static inline void sb_turn_images(const float *input, size_t channels, size_t images, float *turned,
                                  float *totals) {
    for (size_t image = 0; image < SB_PASS_IMAGES; ++image) {
        float *target = turned + image / SB_LANES * channels * SB_LANES + image % SB_LANES;
        float total = 0.0f;
        for (size_t c = 0; c < channels; ++c) {
            const float value = image < images ? input[image * channels + c] : 0.0f;
            target[c * SB_LANES] = value;
            total += value;
        }
        totals[image] = total;
    }
}

/* Sums of all chunks of one group of filters: sums[f][v][lane]. */
static inline void sb_sum_group(const sb_layer *layer, size_t group_index, const float *turned,
                                sb_vector (*sums)[SB_VECTORS]) {
    const sb_bucket_weights *weights = &layer->buckets;
    const size_t channels = (size_t)layer->geometry.in_channels;
    for (int32_t chunk = 0; chunk < weights->chunk_count; ++chunk) {
        const sb_bucket_group *group =
            weights->groups + (size_t)chunk * weights->walk_groups + group_index;
        const float *windows[SB_VECTORS];
        sb_vector y[SB_FILTERS][SB_VECTORS];
        for (int v = 0; v < SB_VECTORS; ++v)
            windows[v] =
                turned + ((size_t)v * channels + (size_t)chunk * weights->chunk) * SB_LANES;
        sb_walk_group(weights, group, windows, y);
        for (int32_t f = 0; f < group->filters; ++f)
            for (int v = 0; v < SB_VECTORS; ++v) {
                if (chunk)
                    sums[f][v] = SB_ADD(sums[f][v], y[f][v]);
                else
                    sums[f][v] = y[f][v];
            }
    }
}

/* T - T is added for the reason given in bucket_layer.h. */
static inline void sb_finish_images(const sb_layer *layer, const sb_operands *operands, size_t k,
                                    size_t first, const sb_vector *sums, const float *totals) {
    const size_t filters = (size_t)layer->geometry.out_channels;
    for (size_t image = 0; image < SB_PASS_IMAGES && first + image < operands->batch; ++image) {
        const size_t index = (first + image) * filters + k;
        float lanes[SB_LANES], value;
        memcpy(lanes, sums + image / SB_LANES, sizeof lanes);
        value = lanes[image % SB_LANES] + (totals[image] - totals[image]);
        sb_finish(&layer->epilogue, k, &value, totals + image,
                  operands->residual ? operands->residual + index : NULL, 1);
        operands->output[index] = value;
    }
}

static inline void sb_bucket_linear(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    float *turned = operands->scratch, totals[SB_PASS_IMAGES];
    sb_vector sums[SB_FILTERS][SB_VECTORS];
    size_t begin, end;
    sb_take_share(operands, (size_t)layer->buckets.walk_groups, &begin, &end);
    for (size_t first = 0; begin < end && first < operands->batch; first += SB_PASS_IMAGES) {
        sb_turn_images(operands->input + first * channels, channels, operands->batch - first,
                       turned, totals);
        for (size_t i = begin; i < end; ++i) {
            const sb_bucket_group *group = layer->buckets.groups + i;
            sb_sum_group(layer, i, turned, sums);
            for (int32_t f = 0; f < group->filters; ++f)
                sb_finish_images(layer, operands, (size_t)group->first_filter + f, first, sums[f],
                                 totals);
        }
    }
}

#endif
