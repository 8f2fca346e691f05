/* Packed bits of table/linear.h, as it reads them and weights/table.c writes them.
 *
 * A cell holds some inputs of one filter, a bit each, the first one lowest: a word of 16, or a byte
 * of 8. 32 filters' cells are a vector, up to F filters a block. Cells that the last input does not
 * fill, and the last vector's filters that are not there, hold zeros:
 *   [block of filters][sign][cell][vector of the block][filter] */
#ifndef SB_KERNELS_TABLE_FORMAT_H
#define SB_KERNELS_TABLE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/* SB_TABLE_IMAGES: whose sums wait at once. SB_TABLE_ROOM: bytes of tables. */
enum { SB_TABLE_VECTOR = 32, SB_TABLE_IMAGES = 8, SB_TABLE_ROOM = 1 << 16 };

/* Inputs of a cell, for a kernel of F filters. */
#define SB_CELL_INPUTS(filters) ((filters) == 256 ? 16 : 8)

/* Bytes of the tables of a cell's inputs: 32, 32 and 64 sums of 16 bits for words (5, 5 and 6
 * inputs), two times 16 sums of two bytes for bytes. */
#define SB_CELL_TABLES(filters) ((filters) == 256 ? 256 : 64)

/* The filter of cell i of a vector, so that sums of 16 bits widen to sums in order. */
static inline int32_t sb_table_filter(int32_t cell) {
    return cell / 2 + cell % 2 * (SB_TABLE_VECTOR / 2);
}

static inline size_t sb_table_cells(size_t inputs, int32_t filters) {
    const size_t size = (size_t)SB_CELL_INPUTS(filters);
    return (inputs + size - 1) / size;
}

/* Bytes of tables in a share's scratch; behind them lie the sums. */
static inline size_t sb_table_room(size_t inputs, int32_t filters) {
    const size_t cells = sb_table_cells(inputs, filters);
    const size_t most = SB_TABLE_ROOM / (SB_TABLE_IMAGES * (size_t)SB_CELL_TABLES(filters));
    return (cells < most ? cells : most) * SB_TABLE_IMAGES * (size_t)SB_CELL_TABLES(filters);
}

#endif
