/* A tile: SB_VECTORS output positions of a lane-blocked view. Define SB_LANES and SB_VECTORS, and
 * SB_CODES where elements are codes, before including. */
#ifndef SB_KERNELS_TILE_H
#define SB_KERNELS_TILE_H

#include "../view.h"
#include "lane_vector.h"

/* What sums of inputs are kept in. */
#ifdef SB_CODES
typedef sb_sums sb_total;
typedef int32_t sb_total_element;
#else
typedef sb_vector sb_total;
typedef float sb_total_element;
#endif

/* pixel: index of the window's first pixel in the input view. Addresses are of the convolution
 * group's first channel. total: sums of the windows, or NULL. floats: in place of output where
 * codes go in and float32 comes out. */
typedef struct sb_tile {
    const sb_element *window[SB_VECTORS];
    const sb_element *residual[SB_VECTORS];
    sb_element *output[SB_VECTORS];
    float *floats[SB_VECTORS];
    size_t pixel[SB_VECTORS];
    const sb_total *total;
} sb_tile;

/* Tiles of an output view; the last one repeats its last position, which is harmless because
 * every position is loaded before any is stored. */
static inline size_t sb_tile_count(const sb_view *output) {
    return sb_tiles_of(output, SB_VECTORS);
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

/* The next position; the last one repeats itself. */
static inline void sb_move_on(const sb_view *output, sb_cursor *cursor) {
    if (cursor->x + 1 < output->block_width) {
        ++cursor->x;
    } else if (cursor->y + 1 < output->block_height) {
        cursor->x = 0;
        ++cursor->y;
    }
}

/* Where the results of vector v go, at the first filter of a convolution group. */
SB_INLINE void sb_aim_output(const sb_layer *layer, const sb_operands *operands, int32_t group,
                             const sb_cursor *at, int v, sb_tile *tile) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_view *output = &layer->output, *residual = &layer->residual;
    const size_t filter = (size_t)group * (geometry->out_channels / geometry->groups);
    const size_t target = sb_view_pixel(output, at->y, at->x) * output->pitch + filter;
    const sb_element *added = operands->residual;
    const bool floats = layer->epilogue.requantize.floats;
    tile->output[v] = floats ? NULL : (sb_element *)operands->output + target * SB_LANES;
    tile->floats[v] = floats ? (float *)operands->output + target * SB_LANES : NULL;
    tile->residual[v] = NULL;
    if (added)
        tile->residual[v] =
            added + (sb_view_pixel(residual, at->y, at->x) * residual->pitch + filter) * SB_LANES;
}

/* A tile that reads no windows of its own. */
SB_INLINE void sb_aim_outputs(const sb_layer *layer, const sb_operands *operands, int32_t group,
                              sb_cursor *cursor, sb_tile *tile) {
    tile->total = NULL;
    for (int v = 0; v < SB_VECTORS; ++v) {
        sb_aim_output(layer, operands, group, cursor, v, tile);
        sb_move_on(&layer->output, cursor);
    }
}

/* Vector v of a tile, at one position. */
SB_INLINE void sb_aim_vector(const sb_layer *layer, const sb_operands *operands, int32_t group,
                             const sb_cursor *at, int v, sb_tile *tile) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_view *input = &layer->input;
    const size_t channel = (size_t)group * (geometry->in_channels / geometry->groups);
    const sb_element *source = operands->input;
    tile->pixel[v] = sb_view_pixel(input, at->y * geometry->stride_height - geometry->padding_top,
                                   at->x * geometry->stride_width - geometry->padding_left);
    tile->window[v] = source + (tile->pixel[v] * input->pitch + channel) * SB_LANES;
    sb_aim_output(layer, operands, group, at, v, tile);
}

SB_INLINE void sb_aim(const sb_layer *layer, const sb_operands *operands, int32_t group,
                      sb_cursor *cursor, sb_tile *tile) {
    tile->total = NULL;
    for (int v = 0; v < SB_VECTORS; ++v) {
        sb_aim_vector(layer, operands, group, cursor, v, tile);
        sb_move_on(&layer->output, cursor);
    }
}

/* How the shares divide a layer: tiles of pixels first; where those are few, filters. */
typedef struct sb_split {
    size_t first_tile, end_tile, first_filters, end_filters;
} sb_split;

static inline sb_split sb_divide(const sb_operands *operands, size_t tiles, size_t filter_groups) {
    sb_split split = {0, tiles, 0, filter_groups};
    if (sb_divides_filters(operands->shares, tiles, filter_groups))
        sb_take_share(operands, filter_groups, &split.first_filters, &split.end_filters);
    else
        sb_take_share(operands, tiles, &split.first_tile, &split.end_tile);
    return split;
}

#endif
