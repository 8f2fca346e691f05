/* Depthwise convolution: one channel per convolution group, K/C filters read each. A tile's
 * channels follow one another, so each pixel is read from end to end. weights: [K][R][S]. */
#ifndef SB_KERNELS_DEPTHWISE_H
#define SB_KERNELS_DEPTHWISE_H

#include "../lane/finish.h"

/* Tiles and filters at once: additions to the sums of one vector would wait for each other, and
 * neighbouring tiles read the same inputs. Filters whose inputs stay in the second cache while all
 * tiles pass. */
enum { SB_DEPTHWISE_TILES = 2, SB_DEPTHWISE_FILTERS = 2, SB_DEPTHWISE_CHUNK = 64 };

/* Filters [first, first + filters) of some tiles, both numbers known to the compiler. */
SB_INLINE void sb_depthwise_filters(const sb_layer *layer, const sb_tile *tile, int tiles,
                                    size_t first, int filters) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t multiplier = (size_t)geometry->out_channels / geometry->groups;
    const size_t taps = (size_t)geometry->kernel_height * geometry->kernel_width;
    const size_t pixel = (size_t)layer->input.pitch * SB_LANES;
    const size_t row = pixel * sb_view_columns(&layer->input) * geometry->dilation_height;
    const float *weights = layer->weights + first * taps;
    size_t channel[SB_DEPTHWISE_FILTERS];
    sb_vector y[SB_DEPTHWISE_FILTERS][SB_DEPTHWISE_TILES][SB_VECTORS];
    SB_UNROLL
    for (int f = 0; f < filters; ++f) {
        channel[f] = (first + f) / multiplier * SB_LANES;
        SB_UNROLL
        for (int i = 0; i < tiles * SB_VECTORS; ++i)
            y[f][i / SB_VECTORS][i % SB_VECTORS] = SB_BROADCAST(0.0f);
    }
    for (int32_t r = 0; r < geometry->kernel_height; ++r)
        for (int32_t s = 0; s < geometry->kernel_width; ++s, ++weights) {
            const size_t tap = r * row + s * pixel * geometry->dilation_width;
            SB_UNROLL
            for (int f = 0; f < filters; ++f) {
                const sb_vector weight = SB_BROADCAST(weights[f * taps]);
                SB_UNROLL
                for (int i = 0; i < tiles * SB_VECTORS; ++i) {
                    const int t = i / SB_VECTORS, v = i % SB_VECTORS;
                    const sb_vector x = SB_LOAD(tile[t].window[v] + tap + channel[f]);
                    y[f][t][v] = SB_ADD(y[f][t][v], SB_MULTIPLY(weight, x));
                }
            }
        }
    SB_UNROLL
    for (int f = 0; f < filters; ++f) {
        SB_UNROLL
        for (int t = 0; t < tiles; ++t)
            sb_finish_tile(&layer->epilogue, first + f, first + f, tile + t, y[f][t]);
    }
}

/* Filters [first, end) of some tiles. */
SB_INLINE void sb_depthwise_tiles(const sb_layer *layer, const sb_tile *tile, int tiles,
                                  size_t first, size_t end) {
    for (; first + SB_DEPTHWISE_FILTERS <= end; first += SB_DEPTHWISE_FILTERS)
        sb_depthwise_filters(layer, tile, tiles, first, SB_DEPTHWISE_FILTERS);
    for (; first < end; ++first)
        sb_depthwise_filters(layer, tile, tiles, first, 1);
}

static inline void sb_depthwise(const sb_layer *layer, const sb_operands *operands) {
    const size_t filters = (size_t)layer->geometry.out_channels;
    const sb_split split = sb_divide(operands, sb_tile_count(&layer->output), 1);
    for (size_t first = 0; first < filters; first += SB_DEPTHWISE_CHUNK) {
        const size_t left = filters - first;
        const size_t end = first + (left < SB_DEPTHWISE_CHUNK ? left : SB_DEPTHWISE_CHUNK);
        sb_cursor cursor = sb_cursor_at(&layer->output, split.first_tile);
        for (size_t t = split.first_tile; t < split.end_tile;) {
            sb_tile tile[SB_DEPTHWISE_TILES];
            const size_t more = split.end_tile - t;
            const size_t tiles = more < SB_DEPTHWISE_TILES ? 1 : SB_DEPTHWISE_TILES;
            for (size_t i = 0; i < tiles; ++i, ++t)
                sb_aim(layer, operands, 0, &cursor, tile + i);
            if (tiles == 1)
                sb_depthwise_tiles(layer, tile, 1, first, end);
            else
                sb_depthwise_tiles(layer, tile, SB_DEPTHWISE_TILES, first, end);
        }
    }
}

#endif
