/* Programs of shared sums for a linear layer: lane = image, V vectors of images side by side. The
 * shares divide the passes of V * L images. */
#ifndef SB_KERNELS_GRAPH_LINEAR_H
#define SB_KERNELS_GRAPH_LINEAR_H

#include "../bucket/bucket_linear.h"
#include "program.h"

static inline void sb_graph_pass(const sb_layer *layer, const sb_pass *pass, sb_element *slots) {
    const sb_graph_weights *graph = &layer->graph;
    const size_t channels = (size_t)layer->geometry.in_channels;
    for (size_t i = 0; i < graph->starts[1]; ++i) {
        const sb_graph_segment *segment = graph->segments + i;
        sb_graph_walk walk;
        sb_bucket_group group;
        uint32_t filters;
        for (int v = 0; v < SB_VECTORS; ++v)
            walk.windows[v] = pass->turned + ((size_t)v * channels + segment->base) * SB_LANES;
        walk.slots = slots;
        walk.words = graph->words + segment->words_begin;
        while ((filters = sb_graph_advance(&walk)) != 0)
            for (; filters; --filters) {
                sb_vector sum[SB_VECTORS];
                sb_graph_filter(&walk, &group, sum);
                sb_collect_images(layer, pass, &group, 0, sum);
            }
    }
    for (size_t i = 0; i < graph->silent_starts[1]; ++i)
        sb_finish_silent(layer, pass, (size_t)graph->silent[i]);
}

static inline void sb_graph_linear(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    const sb_element *input = operands->input;
    sb_element *slots = operands->scratch;
    sb_element *turned =
        (sb_element *)(void *)((char *)operands->scratch + layer->graph.slots_bytes);
    sb_image_sum totals[SB_PASS_IMAGES];
    sb_pass pass = {operands, turned, totals, sb_kept_sums(turned, channels), 0};
    size_t begin, end;
    sb_take_share(operands, (operands->batch + SB_PASS_IMAGES - 1) / SB_PASS_IMAGES, &begin, &end);
    for (; begin < end; ++begin) {
        pass.first = begin * SB_PASS_IMAGES;
        sb_turn_images(input + pass.first * channels, channels, operands->batch - pass.first,
                       turned, totals);
        sb_graph_pass(layer, &pass, slots);
    }
}

#endif
