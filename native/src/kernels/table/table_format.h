/* Packed bits of the kernels of this folder, as weights/table.c writes them.
 *
 * A cell holds some inputs of one filter, a bit each, the first one lowest: on codes a word of 16,
 * or a byte of 8, on floats a double word of 30, or a byte of 8. Several filters' cells are a
 * vector, up to F filters a block. Cells that the last input does not fill, and the last vector's
 * filters that are not there, hold zeros:
 *   [convolution group][block of filters][sign][cell][vector of the block][filter]
 * Cells of a linear layer lie in order, those of a convolution as its windows pass over them,
 * [chunk of a pixel's cells][tap][cell of the chunk]. */
#ifndef SB_KERNELS_TABLE_FORMAT_H
#define SB_KERNELS_TABLE_FORMAT_H

#include "../view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Images whose sums wait at once. */
enum { SB_TABLE_IMAGES = 8 };

/* What a kernel of F filters reads. Inputs of a cell, its bytes, filters of a vector, bytes of the
 * tables of a cell's inputs, and how many cells stay in the first cache while images pass. */
#define SB_CELL_INPUTS(codes, filters)                                                             \
    ((codes) ? (filters) == 256 ? 16 : 8 : (filters) == 32 ? 8 : 30)
#define SB_CELL_BYTES(codes, filters) ((codes) ? (filters) == 256 ? 2 : 1 : (filters) == 32 ? 1 : 4)
#define SB_CELL_FILTERS(codes, filters)                                                            \
    ((codes) || (filters) == 32 ? 32 : (filters) == 128 ? 16 : 8)
#define SB_CELL_TABLES(codes, filters)                                                             \
    ((codes) ? (filters) == 256 ? 256 : 64 : (filters) == 128 ? 768 : (filters) == 32 ? 128 : 512)
#define SB_CELL_CHUNK(codes, filters) ((codes) && (filters) != 256 ? 128 : 16)

typedef struct sb_table_format {
    int32_t inputs, bytes, vector, tables, chunk;
} sb_table_format;

/* codes: sums are whole numbers. */
static inline sb_table_format sb_table_format_of(bool codes, int32_t filters) {
    return (sb_table_format){SB_CELL_INPUTS(codes, filters), SB_CELL_BYTES(codes, filters),
                             SB_CELL_FILTERS(codes, filters), SB_CELL_TABLES(codes, filters),
                             SB_CELL_CHUNK(codes, filters)};
}

/* The filter of cell i of a vector. Sums of 16 bits widen to sums in order: even cells come first.
 */
static inline int32_t sb_table_filter(int32_t vector, int32_t cell) {
    return vector == 32 ? cell / 2 + cell % 2 * 16 : cell;
}

static inline size_t sb_table_cells(size_t inputs, int32_t each) {
    return (inputs + (size_t)each - 1) / (size_t)each;
}

/* Bytes of tables in a share's scratch; behind them lie the sums, then the codes of rows. */
static inline size_t sb_table_room(size_t cells, const sb_table_format *format) {
    const size_t chunk = (size_t)format->chunk;
    return (cells < chunk ? cells : chunk) * SB_TABLE_IMAGES * (size_t)format->tables;
}

/* How a convolution passes over its cells. Tables of `rows` rows of pixels, of `chunk` of a pixel's
 * cells, are there at once, [row modulo rows][column][cell]; strip: rows of the output's blocks
 * whose sums wait together, of `filters` filters, whole vectors. */
typedef struct sb_table_window {
    size_t channels, cells, chunk, taps, rows, columns, filters;
    int32_t strip;
} sb_table_window;

/* So many bytes of tables, and of sums, are to stay in the second cache. */
enum { SB_TABLES_NEAR = 128 * 1024, SB_SUMS_NEAR = 512 * 1024 };

/* `whole` things in the fewest parts of at most `most`, as even as can be: the size of a part. */
static inline size_t sb_even_part(size_t whole, size_t most) {
    const size_t parts = most ? (whole + most - 1) / most : whole;
    return parts ? (whole + parts - 1) / parts : 1;
}

static inline sb_table_window sb_table_window_of(const sb_layer *layer,
                                                 const sb_table_format *format) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t filters = (size_t)(geometry->out_channels / geometry->groups);
    const size_t vector = (size_t)format->vector;
    sb_table_window window = {
        .channels = (size_t)(geometry->in_channels / geometry->groups),
        .taps = (size_t)geometry->kernel_height * (size_t)geometry->kernel_width,
        .rows = (size_t)(geometry->kernel_height - 1) * (size_t)geometry->dilation_height + 1,
        .columns = (size_t)sb_view_columns(&layer->input),
        .filters = (filters + vector - 1) / vector * vector};
    const size_t cell = window.rows * window.columns * (size_t)format->tables;
    const size_t row = (size_t)layer->output.block_width * (size_t)layer->output.lanes *
                       window.filters * sizeof(int32_t);
    window.cells = sb_table_cells(window.channels, format->inputs);
    window.chunk = sb_even_part(window.cells, SB_TABLES_NEAR / cell);
    window.strip = (int32_t)sb_even_part((size_t)layer->output.block_height, SB_SUMS_NEAR / row);
    return window;
}

/* Positions whose sums wait together, lanes counted. */
static inline size_t sb_table_slots(const sb_layer *layer, const sb_table_window *window) {
    return (size_t)window->strip * (size_t)layer->output.block_width * (size_t)layer->output.lanes;
}

#endif
