/* y = conv(W, q) by table (cells.h), on codes. A cell is some channels of one tap, for one filter:
 *
 *   the tables of a pixel's channels, made once, serve all filters, and every tap that meets the
 *   pixel: a window of 3 x 3 is 9 pixels' tables, looked up one after the other, and 8 of them
 *   are those that the filters' other windows look up, too.
 *
 * Filters are in the lanes, so maps of few pixels waste none; neighbouring pixels of a row share
 * the words of the weights, SB_VECTORS at a time. The input is an image of bytes
 * (layout/bytes.h). A chunk of channels at a time, tables are made row by row as the windows move
 * down, and the last rows' forgotten; sums wait for the next chunk, then turn from filters in the
 * lanes to pixels in the lanes (dense/finish_positions.h). */
#ifndef SB_KERNELS_TABLE_CONV2D_H
#define SB_KERNELS_TABLE_CONV2D_H

#define SB_TABLE_CODES 1
#define SB_TABLE_PIXELS 1
#include "cells.h"

/* Sums lie in the order of the filters. */
#define SB_SUM_LANES 4
#define SB_SUMS_DIGITS 1
SB_INLINE size_t sb_filter_position(size_t filter) {
    return filter;
}
#if defined(__AVX2__) && SB_LANES == 16 && !defined(SB_PLAIN_C)
#include "../dense/gather_filters.h"
#elif defined(__aarch64__) && SB_LANES == 16 && !defined(SB_PLAIN_C)
#include "../dense/gather_filters_neon.h"
#endif
#include "../dense/finish_positions.h"

/* Cells that a kernel sums at once: those of nibbles have 16 bits for no more. */
enum { SB_RUN_CELLS = 1024 };

/* What a share works on: vectors [first_vector, end_vector) of the filters of a convolution group,
 * rows [first_row, end_row) of the output's blocks, and `count` of a pixel's cells, from `cell` on.
 * offsets: of the tables of every cell of a window, from its first pixel's column on. pixels: sums
 * of the channels of every pixel. made: rows of pixels from which tables are still to be made. */
typedef struct sb_table_image {
    const sb_layer *layer;
    const uint8_t *input;
    sb_table_window window;
    uint8_t *tables;
    size_t *offsets;
    int32_t *sums, *totals, *pixels;
    size_t first_vector, end_vector, cell, count;
    int32_t group, first_row, end_row, made;
} sb_table_image;

/* Bytes of a pixel of the image, at the group's first channel; rows and columns count from the
 * padding's first ones. */
static inline const uint8_t *sb_bytes_of(const sb_table_image *image, size_t row, size_t column) {
    return image->input +
           (row * image->window.columns + column) * (size_t)image->layer->input.pitch +
           (size_t)image->group * image->window.channels;
}

static inline size_t sb_slots_of(const sb_table_image *image) {
    return sb_table_slots(image->layer, &image->window);
}

/* Whether a pixel lies beyond the image and holds zeros, as most padding does. */
static inline bool sb_is_empty(const sb_view *view, int32_t row, int32_t column) {
    const bool inside = row >= view->top && row < view->top + view->block_height &&
                        column >= view->left && column < view->left + view->block_width;
    return !inside && SB_INPUT_NUMBER((int32_t)view->fill) == 0;
}

static inline void sb_make_row(const sb_table_image *image, size_t row) {
    const sb_table_window *window = &image->window;
    const size_t pixel = window->chunk * SB_TABLE_BYTES;
    uint8_t *tables = image->tables + row % window->rows * window->columns * pixel;
    for (size_t x = 0; x < window->columns; ++x, tables += pixel) {
        const uint8_t *bytes = sb_bytes_of(image, row, x);
        if (sb_is_empty(&image->layer->input, (int32_t)row, (int32_t)x)) {
            memset(tables, 0, pixel);
            continue;
        }
        for (size_t i = 0; i < image->count; ++i) {
            const size_t first = (image->cell + i) * SB_INPUTS, left = window->channels - first;
            sb_make_tables(bytes + first, left < SB_INPUTS ? left : SB_INPUTS,
                           tables + i * SB_TABLE_BYTES);
        }
    }
}

/* Tables of all rows of pixels under the window that begins at `row`, and where its cells' lie. */
static inline void sb_make_rows(sb_table_image *image, int32_t row) {
    const sb_geometry *geometry = &image->layer->geometry;
    const sb_table_window *window = &image->window;
    const int32_t end = row + (int32_t)window->rows;
    size_t *offset = image->offsets;
    for (int32_t r = image->made > row ? image->made : row; r < end; ++r)
        sb_make_row(image, (size_t)r);
    image->made = end;
    for (int32_t r = 0; r < geometry->kernel_height; ++r)
        for (int32_t s = 0; s < geometry->kernel_width; ++s)
            for (size_t i = 0; i < image->count; ++i) {
                const size_t y = (size_t)(row + r * geometry->dilation_height) % window->rows;
                const size_t x = (size_t)(s * geometry->dilation_width);
                *offset++ = ((y * window->columns + x) * window->chunk + i) * SB_TABLE_BYTES;
            }
}

/* The number of an output of the strip: its position, then its lane. */
static inline size_t sb_slot_of(const sb_table_image *image, int32_t row, int32_t column) {
    const sb_view *output = &image->layer->output;
    const int32_t y = row % output->block_height - image->first_row;
    const int32_t x = column % output->block_width;
    const int32_t lane =
        row / output->block_height * output->blocks_x + column / output->block_width;
    return ((size_t)y * (size_t)output->block_width + (size_t)x) * SB_LANES + (size_t)lane;
}

/* Where the sums of an output wait, some vectors of them side by side from vector `first` on. */
static inline int32_t *sb_waiting(const sb_table_image *image, size_t first, size_t vectors,
                                  int32_t row, int32_t column) {
    return image->sums + (first - image->first_vector) * SB_VECTOR * sb_slots_of(image) +
           sb_slot_of(image, row, column) * vectors * SB_VECTOR;
}

/* Pixels from the window of an output to that of the next one in its row. */
static inline int32_t sb_window_step(const sb_layer *layer) {
    const sb_geometry *geometry = &layer->geometry;
    return geometry->stride_width / sb_byte_step(geometry->kernel_width, geometry->stride_width,
                                                 geometry->padding_left + geometry->padding_right);
}

/* One row of outputs for some vectors of a block, whose sums lie `first` on. */
static inline void sb_look_up_row(const sb_table_image *image, const sb_table_run *whole,
                                  size_t first, int32_t row) {
    const sb_geometry *geometry = &image->layer->geometry;
    const size_t step = image->window.chunk * SB_TABLE_BYTES * (size_t)sb_window_step(image->layer);
    sb_table_run run = *whole;
    run.tables = image->tables;
    run.second = step;
    for (int32_t x = 0; x < geometry->out_width;) {
        const int32_t together = geometry->out_width - x < SB_VECTORS ? 1 : SB_VECTORS;
        for (int32_t i = 0; i < together; ++i)
            run.sums[i] = sb_waiting(image, first, run.vectors, row, x + i);
#if SB_VECTORS == 2
        if (together == 2)
            sb_look_up_two(&run);
        else
#endif
            sb_look_up_one(&run);
        run.tables += (size_t)together * step;
        x += together;
    }
}

/* One row of outputs for the share's vectors of a block: digits of +1, then those of -1. */
static inline void sb_look_up_row_of_block(const sb_table_image *image, size_t block, int32_t row) {
    const sb_table_weights *weights = &image->layer->tables;
    const sb_table_window *window = &image->window;
    const size_t begin = block * SB_BLOCK_VECTORS, all = window->filters / SB_VECTOR;
    const size_t full = begin + SB_BLOCK_VECTORS < all ? begin + SB_BLOCK_VECTORS : all;
    const size_t first = begin > image->first_vector ? begin : image->first_vector;
    const size_t end = full < image->end_vector ? full : image->end_vector;
    const size_t vector = SB_VECTOR * SB_BYTES, step = (full - begin) * vector;
    const size_t cells = window->cells * window->taps, signs = (size_t)weights->signs;
    const uint8_t *packed = weights->masks +
                            ((size_t)image->group * all + begin) * vector * cells * signs +
                            image->cell * window->taps * step + (first - begin) * vector;
    const size_t count = image->count * window->taps;
    for (size_t sign = 0; sign < signs; ++sign)
        for (size_t at = 0; at < count; at += SB_RUN_CELLS) {
            const sb_table_run run = {.weights = packed + (sign * cells + at) * step,
                                      .offsets = image->offsets + at,
                                      .cells =
                                          count - at < SB_RUN_CELLS ? count - at : SB_RUN_CELLS,
                                      .vectors = end - first,
                                      .step = step,
                                      .flight = weights->flight,
                                      .opens = image->cell == 0 && sign == 0 && at == 0,
                                      .minus = sign == 1};
            sb_look_up_row(image, &run, first, row);
        }
}

/* The next row of outputs after this one that the strip has in any lane, from the top of the image
 * on; the height of the output behind the last. */
static inline int32_t sb_next_row(const sb_table_image *image, int32_t row) {
    const int32_t height = image->layer->geometry.out_height;
    const int32_t block = image->layer->output.block_height;
    do
        ++row;
    while (row < height && (row % block < image->first_row || row % block >= image->end_row));
    return row;
}

/* The first row of pixels of the window of a row of outputs. */
static inline int32_t sb_window_row(const sb_layer *layer, int32_t row) {
    const sb_geometry *geometry = &layer->geometry;
    return row * (geometry->stride_height /
                  sb_byte_step(geometry->kernel_height, geometry->stride_height,
                               geometry->padding_top + geometry->padding_bottom));
}

/* Sums of the strip's outputs for all of the share's filters. */
static inline void sb_sum_image(sb_table_image *image) {
    const int32_t height = image->layer->geometry.out_height;
    const size_t first = image->first_vector / SB_BLOCK_VECTORS;
    const size_t end = (image->end_vector + SB_BLOCK_VECTORS - 1) / SB_BLOCK_VECTORS;
    for (image->cell = 0; image->cell < image->window.cells; image->cell += image->count) {
        const size_t left = image->window.cells - image->cell;
        image->count = left < image->window.chunk ? left : image->window.chunk;
        image->made = 0;
        for (int32_t row = sb_next_row(image, -1); row < height; row = sb_next_row(image, row)) {
            sb_make_rows(image, sb_window_row(image->layer, row));
            for (size_t block = first; block < end; ++block)
                sb_look_up_row_of_block(image, block, row);
        }
    }
}

static inline int32_t sb_total_window(const sb_table_image *image, int32_t row, int32_t column) {
    const sb_geometry *geometry = &image->layer->geometry;
    int32_t total = 0;
    for (int32_t r = 0; r < geometry->kernel_height; ++r)
        for (int32_t s = 0; s < geometry->kernel_width; ++s)
            total +=
                image
                    ->pixels[(size_t)(row + r * geometry->dilation_height) * image->window.columns +
                             (size_t)(column + s * geometry->dilation_width)];
    return total;
}

/* The sum of the codes under every window of the strip. */
static inline void sb_total_image(const sb_table_image *image) {
    const sb_geometry *geometry = &image->layer->geometry;
    const size_t rows = (size_t)sb_view_rows(&image->layer->input);
    for (size_t i = 0; i < rows * image->window.columns; ++i) {
        const uint8_t *bytes = sb_bytes_of(image, 0, i);
        int32_t sum = 0;
        for (size_t c = 0; c < image->window.channels; ++c)
            sum += SB_INPUT_NUMBER(bytes[c]);
        image->pixels[i] = sum;
    }
    for (int32_t y = sb_next_row(image, -1); y < geometry->out_height; y = sb_next_row(image, y))
        for (int32_t x = 0; x < geometry->out_width; ++x)
            image->totals[sb_slot_of(image, y, x)] = sb_total_window(
                image, sb_window_row(image->layer, y), x * sb_window_step(image->layer));
}

static inline void sb_finish_image(const sb_table_image *image, const sb_operands *operands) {
    const sb_layer *layer = image->layer;
    const size_t width = (size_t)layer->output.block_width;
    const size_t filters = (size_t)(layer->geometry.out_channels / layer->geometry.groups);
    for (size_t first = image->first_vector; first < image->end_vector;) {
        const size_t full = first / SB_BLOCK_VECTORS * SB_BLOCK_VECTORS + SB_BLOCK_VECTORS;
        const size_t end = full < image->end_vector ? full : image->end_vector;
        const size_t last = end * SB_VECTOR < filters ? end * SB_VECTOR : filters;
        const sb_block_sums block = {.first_filter = (int32_t)(first * SB_VECTOR),
                                     .filters = (int32_t)(last - first * SB_VECTOR),
                                     .stride = (end - first) * SB_VECTOR,
                                     .sums = image->sums + (first - image->first_vector) *
                                                               SB_VECTOR * sb_slots_of(image),
                                     .totals = image->totals,
                                     .first = (size_t)image->first_row * width,
                                     .count = (size_t)(image->end_row - image->first_row) * width};
        sb_finish_block(layer, operands, image->group, &block);
        first = end;
    }
}

/* Scratch, see weights/table.c: tables, offsets, sums of pixels, totals, sums. */
static inline sb_table_image sb_image_of(const sb_layer *layer, const sb_operands *operands) {
    const sb_table_format format = sb_table_format_of(SB_SUMS_CODES, SB_FILTERS);
    sb_table_image image = {.layer = layer, .input = operands->input};
    image.window = sb_table_window_of(layer, &format);
    const sb_table_window *window = &image.window;
    image.tables = operands->scratch;
    image.sums = (int32_t *)(void *)(image.tables + window->rows * window->columns * window->chunk *
                                                        SB_TABLE_BYTES);
    image.offsets = (size_t *)(void *)(image.sums + sb_slots_of(&image) * window->filters);
    image.totals = (int32_t *)(void *)(image.offsets + window->taps * window->chunk);
    image.pixels = image.totals + sb_slots_of(&image);
    return image;
}

/* Shares take rows of the output's blocks where each finds several, else filters. */
static inline void sb_take_image(const sb_operands *operands, sb_table_image *image, size_t *first,
                                 size_t *end) {
    const size_t rows = (size_t)image->layer->output.block_height;
    const size_t vectors = image->window.filters / SB_VECTOR;
    *first = 0;
    *end = rows;
    image->end_vector = vectors;
    if (rows >= 4 * operands->shares || vectors < operands->shares)
        sb_take_share(operands, rows, first, end);
    else
        sb_take_share(operands, vectors, &image->first_vector, &image->end_vector);
}

static inline void sb_table_conv2d(const sb_layer *layer, const sb_operands *operands) {
    sb_table_image image = sb_image_of(layer, operands);
    size_t first, end;
    sb_take_image(operands, &image, &first, &end);
    for (image.group = 0; image.group < layer->geometry.groups; ++image.group)
        for (size_t row = first; row < end; row += (size_t)image.window.strip) {
            const size_t left = end - row, strip = (size_t)image.window.strip;
            image.first_row = (int32_t)row;
            image.end_row = (int32_t)(row + (left < strip ? left : strip));
            sb_sum_image(&image);
            if (layer->sums.twice || layer->epilogue.offset)
                sb_total_image(&image);
            sb_finish_image(&image, operands);
        }
}

#endif
