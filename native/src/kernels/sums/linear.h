/* Lists of shared sums for a linear layer: lane = image, V vectors of images side by side. The
 * shares divide the passes of V * L images. */
#ifndef SB_KERNELS_SUMS_LINEAR_H
#define SB_KERNELS_SUMS_LINEAR_H

#include "../bucket/linear.h"
#include "sum_list.h"

static inline void sb_sums_pass(const sb_layer *layer, const sb_pass *pass, sb_lane *slots) {
    const sb_sums_weights *weights = &layer->sum_list;
    const size_t channels = (size_t)layer->geometry.in_channels;
    for (size_t i = 0; i < weights->starts[1]; ++i) {
        const sb_sums_segment *segment = weights->segments + i;
        sb_sums_reader reader;
        sb_bucket_group group;
        uint32_t filters;
        for (int v = 0; v < SB_VECTORS; ++v)
            reader.windows[v] = pass->turned + ((size_t)v * channels + segment->base) * SB_LANES;
        reader.slots = slots;
        reader.words = weights->words + segment->words_begin;
        while ((filters = sb_sums_advance(&reader)) != 0)
            for (; filters; --filters) {
                sb_vector sum[SB_VECTORS];
                sb_sums_filter(&reader, &group, sum);
                sb_collect_images(layer, pass, &group, 0, sum);
            }
    }
    for (size_t i = 0; i < weights->silent_starts[1]; ++i)
        sb_finish_silent(layer, pass, (size_t)weights->silent[i]);
}

static inline void sb_sums_linear(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    const sb_element *input = operands->input;
    sb_lane *slots = operands->scratch;
    sb_element *turned =
        (sb_element *)(void *)((char *)operands->scratch + layer->sum_list.slots_bytes);
    sb_image_sum totals[SB_PASS_IMAGES];
    sb_pass pass = {operands, turned, totals, sb_kept_sums(turned, channels), 0};
    size_t begin, end;
    sb_take_share(operands, (operands->batch + SB_PASS_IMAGES - 1) / SB_PASS_IMAGES, &begin, &end);
    for (; begin < end; ++begin) {
        pass.first = begin * SB_PASS_IMAGES;
        sb_turn_images(input + pass.first * channels, channels, operands->batch - pass.first,
                       turned, totals);
        sb_sums_pass(layer, &pass, slots);
    }
}

#endif
