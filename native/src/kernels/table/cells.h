/* Sums of inputs by table, for weights of two or three values.
 *
 * 5 inputs have 32 sums. They are made once per image, and 5 bits of a filter's weights choose the
 * one of its inputs; a permutation chooses for all filters of a vector at once:
 *   weights 1 0 1 1 0   ->   entry 13   ->   q0 + q2 + q3
 * So a weight is one bit wherever it lies, and what a layer takes depends neither on how many of
 * its weights are zero nor on the batch. Digits of sign 1 (-1, where weights have three values) are
 * looked up in the same tables and subtracted.
 *
 * SB_TABLE_CODES: inputs are codes, sums whole numbers; else both are float32. SB_TABLE_PIXELS: the
 * inputs of cells lie in an image of bytes. What differs is in words_avx512.h, nibbles_avx2.h,
 * nibbles_neon.h, floats_avx512.h, floats_avx2.h or cells_plain.h:
 *   sb_make_tables   the tables of one cell
 *   sb_look_up_one   sums of a block of filters, for one image
 *   sb_look_up_two   for two images, where SB_VECTORS is 2 */
#ifndef SB_KERNELS_TABLE_CELLS_H
#define SB_KERNELS_TABLE_CELLS_H

#include "../kernel.h"
#include "../lane/lane_vector.h"
#include "table_format.h"

#include <string.h>

#ifdef SB_TABLE_CODES
#ifdef SB_TABLE_PIXELS
typedef uint8_t sb_table_input; /* of an image of bytes */
#elif defined(SB_CODES)
typedef sb_code sb_table_input;
#else
typedef uint16_t sb_table_input; /* codes of the kernel's own making */
#endif
typedef int32_t sb_table_sum;
#define SB_SUMS_CODES 1
#else
typedef float sb_table_input;
typedef float sb_table_sum;
#define SB_SUMS_CODES 0
#endif

/* The code that an input of a cell is: bytes of ARM are centred (../code.h). */
#if defined(SB_TABLE_PIXELS) && defined(__aarch64__) && SB_LANES == 16
#define SB_INPUT_NUMBER(input) ((input) ^ SB_CODE_CENTRE)
#else
#define SB_INPUT_NUMBER(input) (input)
#endif

enum {
    SB_INPUTS = SB_CELL_INPUTS(SB_SUMS_CODES, SB_FILTERS),
    SB_BYTES = SB_CELL_BYTES(SB_SUMS_CODES, SB_FILTERS),
    SB_VECTOR = SB_CELL_FILTERS(SB_SUMS_CODES, SB_FILTERS),
    SB_TABLE_BYTES = SB_CELL_TABLES(SB_SUMS_CODES, SB_FILTERS),
    SB_CHUNK = SB_CELL_CHUNK(SB_SUMS_CODES, SB_FILTERS),
    SB_BLOCK_VECTORS = SB_FILTERS / SB_VECTOR
};
_Static_assert(SB_FILTERS % SB_VECTOR == 0, "a block is whole vectors");

/* Some cells of one sign of a block. tables: of the first cell; of others behind it, or
 * SB_TABLE_PIXELS by `offsets` in bytes; second: bytes from there to the same cell's of a second
 * image. step: bytes from a cell's vectors to the next one's. sums: of each image, which become the
 * cells' (opens), or grow or (minus) shrink by them. */
typedef struct sb_table_run {
    const uint8_t *weights, *tables;
    const size_t *offsets;
    sb_table_sum *sums[2];
    size_t cells, vectors, step, second, flight;
    bool opens, minus;
} sb_table_run;

static inline const uint8_t *sb_tables_at(const sb_table_run *run, size_t images, size_t cell) {
#ifdef SB_TABLE_PIXELS
    (void)images;
    return run->tables + run->offsets[cell];
#else
    return run->tables + cell * images * SB_TABLE_BYTES;
#endif
}

#if defined(__AVX512BW__) && SB_SUMS_CODES && SB_FILTERS == 256 && !defined(SB_PLAIN_C)
#include "words_avx512.h"
#elif defined(__AVX2__) && SB_SUMS_CODES && SB_FILTERS == 64 && !defined(SB_PLAIN_C)
#include "nibbles_avx2.h"
#elif defined(__aarch64__) && SB_SUMS_CODES && SB_FILTERS == 64 && !defined(SB_PLAIN_C)
#include "nibbles_neon.h"
#elif defined(__AVX512F__) && !SB_SUMS_CODES && SB_FILTERS == 128 && !defined(SB_PLAIN_C)
#include "floats_avx512.h"
#elif defined(__AVX2__) && !SB_SUMS_CODES && SB_FILTERS == 48 && !defined(SB_PLAIN_C)
#include "floats_avx2.h"
#else
#include "cells_plain.h"
#endif

#endif
