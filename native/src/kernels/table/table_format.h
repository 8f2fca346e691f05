/* Packed bits of the kernels of this folder, as weights/table.c writes them.
 *
 * A cell holds some inputs of one filter, a bit each, the first one lowest: on codes a word of 16,
 * or a byte of 8, on floats a double word of 30, or a byte of 8. Several filters' cells are a
 * vector, up to F filters a block. Cells that the last input does not fill, and the last vector's
 * filters that are not there, hold zeros:
 *   [block of filters][sign][cell][vector of the block][filter] */
#ifndef SB_KERNELS_TABLE_FORMAT_H
#define SB_KERNELS_TABLE_FORMAT_H

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

#endif
