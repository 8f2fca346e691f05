/* Dense products of codes and integers over lane-blocked views, one filter and one tile at a time.
 * A product of a code and an integer of at most 63 fits 16 bits. Weights [K][R][S][C/G]. */
#ifndef SB_KERNELS_DENSE_CONV2D_CODES_H
#define SB_KERNELS_DENSE_CONV2D_CODES_H

#include "../bucket/collect.h"
#include "../bucket/window_totals.h"

/* Raw sums of one filter over a tile. weights: of the filter. */
static inline void sb_dense_products(const sb_layer *layer, const int8_t *weights,
                                     const sb_tile *tile, sb_sums *sums) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t channels = geometry->in_channels / geometry->groups;
    const size_t pixel = (size_t)layer->input.pitch * SB_LANES;
    const size_t row = pixel * sb_view_columns(&layer->input) * geometry->dilation_height;
    for (int v = 0; v < SB_VECTORS; ++v)
        sums[v] = sb_same_sums(0);
    for (int32_t r = 0; r < geometry->kernel_height; ++r)
        for (int32_t s = 0; s < geometry->kernel_width; ++s) {
            const size_t offset = r * row + s * pixel * geometry->dilation_width;
            for (int32_t c = 0; c < channels; ++c) {
                const sb_vector weight = SB_BROADCAST(*weights++);
                SB_UNROLL
                for (int v = 0; v < SB_VECTORS; ++v)
                    sums[v] = sb_add_sums(sums[v], sb_widen_signed(SB_MULTIPLY(
                                                       weight, SB_LOAD(tile->window[v] + offset +
                                                                       (size_t)c * SB_LANES))));
            }
        }
}

static inline void sb_dense_conv2d(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t filters = (size_t)geometry->out_channels / geometry->groups;
    const size_t taps = (size_t)(geometry->in_channels / geometry->groups) *
                        geometry->kernel_height * geometry->kernel_width;
    const sb_split split = sb_divide(operands, sb_tile_count(&layer->output), filters);
    const size_t pixels =
        (size_t)sb_view_rows(&layer->input) * sb_view_columns(&layer->input) * SB_LANES;
    const int32_t *totals = operands->totals;
    for (int32_t group = 0; group < geometry->groups; ++group) {
        const sb_collector collector = {NULL, filters, (size_t)group * filters, 0};
        sb_cursor cursor = sb_cursor_at(&layer->output, split.first_tile);
        for (size_t t = split.first_tile; t < split.end_tile; ++t) {
            sb_tile tile;
            sb_sums window[SB_VECTORS];
            sb_aim(layer, operands, group, &cursor, &tile);
            if (totals)
                sb_sum_windows(layer, totals + group * pixels, &tile, window);
            for (size_t k = split.first_filters; k < split.end_filters; ++k) {
                sb_sums sums[SB_VECTORS];
                sb_dense_products(layer, layer->integers + (group * filters + k) * taps, &tile,
                                  sums);
                sb_finish_sums(layer, &collector, k, &tile, sums);
            }
        }
    }
}

#endif
