/* A tile: SB_VECTORS output positions of a lane-blocked view, and the epilogue into them.
 * Define SB_LANES and SB_VECTORS before including. */
#ifndef SB_KERNELS_TILE_H
#define SB_KERNELS_TILE_H

#include "../view.h"
#include "lane_vector.h"

/* pixel: index of the window's first pixel in the input view. Addresses are of the convolution
 * group's first channel. total: sums of the windows, or NULL. */
typedef struct sb_tile {
    const float *window[SB_VECTORS];
    const float *residual[SB_VECTORS];
    float *output[SB_VECTORS];
    size_t pixel[SB_VECTORS];
    const sb_vector *total;
} sb_tile;

/* Tiles of an output view; the last one repeats its last position, which is harmless because
 * every position is loaded before any is stored. */
static inline size_t sb_tile_count(const sb_view *output) {
    const size_t positions = (size_t)output->block_height * output->block_width;
    return (positions + SB_VECTORS - 1) / SB_VECTORS;
}

/* The next position of the next tile. */
typedef struct sb_cursor {
    int32_t y, x;
} sb_cursor;

static inline sb_cursor sb_cursor_at(const sb_view *output, size_t tile) {
    const size_t position = tile * SB_VECTORS;
    const sb_cursor cursor = {(int32_t)(position / output->block_width),
                              (int32_t)(position % output->block_width)};
    return cursor;
}

SB_INLINE void sb_aim(const sb_layer *layer, const sb_operands *operands, int32_t group,
                      sb_cursor *cursor, sb_tile *tile) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_view *input = &layer->input, *output = &layer->output, *residual = &layer->residual;
    const size_t channel = (size_t)group * (geometry->in_channels / geometry->groups);
    const size_t filter = (size_t)group * (geometry->out_channels / geometry->groups);
    tile->total = NULL;
    for (int v = 0; v < SB_VECTORS; ++v) {
        tile->pixel[v] =
            sb_view_pixel(input, cursor->y * geometry->stride_height - geometry->padding_height,
                          cursor->x * geometry->stride_width - geometry->padding_width);
        tile->window[v] = operands->input + (tile->pixel[v] * input->pitch + channel) * SB_LANES;
        const size_t target = sb_view_pixel(output, cursor->y, cursor->x) * output->pitch + filter;
        tile->output[v] = operands->output + target * SB_LANES;
        tile->residual[v] = NULL;
        if (operands->residual)
            tile->residual[v] =
                operands->residual +
                (sb_view_pixel(residual, cursor->y, cursor->x) * residual->pitch + filter) *
                    SB_LANES;
        if (cursor->x + 1 < output->block_width) {
            ++cursor->x;
        } else if (cursor->y + 1 < output->block_height) {
            cursor->x = 0;
            ++cursor->y;
        }
    }
}

SB_INLINE void sb_activate_vectors(const sb_epilogue *epilogue, size_t channel, sb_vector *y) {
    const sb_vector zero = SB_BROADCAST(0.0f);
    if (epilogue->activation == SB_ACT_RELU) {
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            y[v] = SB_SELECT_LESS(y[v], zero, zero, y[v]);
    } else if (epilogue->activation == SB_ACT_LEAKY_RELU) {
        const sb_vector slope = SB_BROADCAST(epilogue->slope[channel]);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            y[v] = SB_SELECT_LESS(zero, y[v], y[v], SB_MULTIPLY(slope, y[v]));
    } else if (epilogue->activation == SB_ACT_CLAMP) {
        const sb_vector low = SB_BROADCAST(epilogue->low), high = SB_BROADCAST(epilogue->high);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v) {
            y[v] = SB_SELECT_LESS(y[v], low, low, y[v]);
            y[v] = SB_SELECT_LESS(high, y[v], high, y[v]);
        }
    }
}

/* One channel of a tile through the epilogue into the output. index: the channel counted within
 * its convolution group; channel: within the layer. */
SB_INLINE void sb_finish_tile(const sb_epilogue *epilogue, size_t index, size_t channel,
                              const sb_tile *tile, const sb_vector *sums) {
    const sb_vector scale = SB_BROADCAST(epilogue->scale[channel]);
    const sb_vector bias = SB_BROADCAST(epilogue->bias[channel]);
    const size_t step = index * SB_LANES;
    sb_vector y[SB_VECTORS];
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        y[v] = SB_ADD(SB_MULTIPLY(sums[v], scale), bias);
    if (epilogue->offset && tile->total) {
        const sb_vector offset = SB_BROADCAST(epilogue->offset[channel]);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            y[v] = SB_ADD(y[v], SB_MULTIPLY(offset, tile->total[v]));
    }
    if (tile->residual[0]) {
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            y[v] = SB_ADD(y[v], SB_LOAD(tile->residual[v] + step));
    }
    sb_activate_vectors(epilogue, channel, y);
    if (epilogue->post_bias) {
        const sb_vector post_bias = SB_BROADCAST(epilogue->post_bias[channel]);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            y[v] = SB_ADD(y[v], post_bias);
    }
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        SB_STORE(tile->output[v] + step, y[v]);
}

/* How the shares divide a layer: tiles of pixels first; where those are few, filters. */
typedef struct sb_split {
    size_t first_tile, end_tile, first_filters, end_filters;
} sb_split;

static inline sb_split sb_divide(const sb_operands *operands, size_t tiles, size_t filter_groups) {
    sb_split split = {0, tiles, 0, filter_groups};
    if (tiles >= 8 * operands->shares || filter_groups < operands->shares)
        sb_take_share(operands, tiles, &split.first_tile, &split.end_tile);
    else
        sb_take_share(operands, filter_groups, &split.first_filters, &split.end_filters);
    return split;
}

#endif
