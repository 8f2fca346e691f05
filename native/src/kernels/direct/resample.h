/* Pixels by tables of rows and columns, from any view to any other: Y[c][h][w] = X[c][rows[h]]
 * [columns[w]], or the fill where a table says -1. X and Y are the values as finer images: of
 * blocks of D x A pixels, channel (c * D + i) * A + j of pixel (y, x) being channel c of pixel
 * (y * D + i, x * A + j), so that D * A channels of a value are one channel of its finer image.
 * whole: D and A of the input, D and A of the output. real: the fill, of codes a code. */
#ifndef SB_KERNELS_RESAMPLE_H
#define SB_KERNELS_RESAMPLE_H

#include "../lane/tile.h"

#include <string.h>

/* Pixels of a plain output that are looked up at once. */
enum { SB_RUN_PIXELS = 32 };

/* Elements to channel 0 of a finer pixel; -1 where there is none. */
static inline int64_t sb_finer_element(const sb_layer *layer, int32_t row, int32_t column) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t down = layer->whole[0], across = layer->whole[1];
    if (row < 0 || column < 0)
        return -1;
    const size_t channel = (size_t)(row % down) * (size_t)across + (size_t)(column % across);
    const size_t step =
        sb_view_channel_step(&layer->input, geometry->in_height, geometry->in_width);
    return (
        int64_t)(sb_view_element(&layer->input, geometry->in_width, row / down, column / across) +
                 channel * step);
}

/* All channels of `count` pixels. from: their elements; y: where the first of them goes, the others
 * beside it; step: from channel to channel of y. */
static inline void sb_gather(const sb_layer *layer, const sb_operands *operands,
                             const int64_t *from, size_t count, sb_element *y, size_t step) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t block = (size_t)layer->whole[0] * (size_t)layer->whole[1];
    const size_t channels = (size_t)geometry->in_channels / block;
    const size_t ahead =
        block * sb_view_channel_step(&layer->input, geometry->in_height, geometry->in_width);
    const sb_element fill = (sb_element)layer->real[0];
    const sb_element *x = operands->input;
    bool inside = true, adjacent = true;
    for (size_t i = 0; i < count; ++i) {
        inside &= from[i] >= 0;
        adjacent &= from[i] == from[0] + (int64_t)i;
    }
    for (size_t c = 0; c < channels; ++c, x += ahead, y += step) {
        if (inside && adjacent && count == SB_LANES)
            memcpy(y, x + from[0], SB_LANES * sizeof *y);
        else if (inside && adjacent)
            memcpy(y, x + from[0], count * sizeof *y);
        else if (inside)
            for (size_t i = 0; i < count; ++i)
                y[i] = x[from[i]];
        else
            for (size_t i = 0; i < count; ++i)
                y[i] = from[i] < 0 ? fill : x[from[i]];
    }
}

/* One position of every lane, each channel of the output's blocks in its turn. */
static inline void sb_resample_lanes(const sb_layer *layer, const sb_operands *operands,
                                     const sb_cursor *at) {
    const sb_view *view = &layer->output;
    const int32_t down = layer->whole[2], across = layer->whole[3];
    const size_t pixel = sb_view_pixel(view, at->y, at->x) * (size_t)view->pitch;
    sb_element *y = (sb_element *)operands->output + pixel * SB_LANES;
    for (int32_t i = 0; i < down; ++i)
        for (int32_t j = 0; j < across; ++j, y += SB_LANES) {
            int64_t from[SB_LANES];
            for (int32_t lane = 0; lane < SB_LANES; ++lane) {
                const int64_t row = sb_view_image_row(view, lane, at->y);
                const int64_t column = sb_view_image_column(view, lane, at->x);
                const bool inside =
                    row < layer->geometry.out_height && column < layer->geometry.out_width;
                from[lane] = inside ? sb_finer_element(layer, layer->rows[row * down + i],
                                                       layer->columns[column * across + j])
                                    : -1;
            }
            sb_gather(layer, operands, from, SB_LANES, y, (size_t)down * (size_t)across * SB_LANES);
        }
}

/* One row of a plain output. */
static inline void sb_resample_row(const sb_layer *layer, const sb_operands *operands, size_t row) {
    const size_t width = (size_t)layer->geometry.out_width;
    const size_t plane = (size_t)layer->geometry.out_height * width;
    const size_t down = (size_t)layer->whole[2], across = (size_t)layer->whole[3];
    for (size_t phase = 0; phase < down * across; ++phase)
        for (size_t first = 0; first < width; first += SB_RUN_PIXELS) {
            const size_t count = width - first < SB_RUN_PIXELS ? width - first : SB_RUN_PIXELS;
            sb_element *y = (sb_element *)operands->output + phase * plane + row * width + first;
            int64_t from[SB_RUN_PIXELS];
            for (size_t i = 0; i < count; ++i)
                from[i] = sb_finer_element(layer, layer->rows[row * down + phase / across],
                                           layer->columns[(first + i) * across + phase % across]);
            sb_gather(layer, operands, from, count, y, down * across * plane);
        }
}

static inline void sb_direct_resample(const sb_layer *layer, const sb_operands *operands) {
    const bool lanes = layer->output.lanes != 0;
    size_t begin, end;
    sb_take_share(operands,
                  lanes ? sb_tile_count(&layer->output) : (size_t)layer->geometry.out_height,
                  &begin, &end);
    if (!lanes) {
        for (size_t row = begin; row < end; ++row)
            sb_resample_row(layer, operands, row);
        return;
    }
    sb_cursor cursor = sb_cursor_at(&layer->output, begin);
    for (size_t t = begin; t < end; ++t, sb_move_on(&layer->output, &cursor))
        sb_resample_lanes(layer, operands, &cursor);
}

#endif
