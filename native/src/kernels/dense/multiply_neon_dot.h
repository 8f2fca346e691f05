/* Products by SDOT, 4 products of bytes into an int32 sum, which takes the 4 bytes of a pixel from
 * any quarter of a register: a register of 16 bytes of every pixel serves all filters of a block.
 * 32 registers:
 *   6 pixels x 4 vectors of 4 filters = 24 sums, 6 of pixels' bytes, 2 of weights */
#ifndef SB_KERNELS_MULTIPLY_NEON_DOT_H
#define SB_KERNELS_MULTIPLY_NEON_DOT_H

#include "../lane/lane_vector.h"
#include "product_strip.h"

#define SB_SUM_LANES SB_SUM_LANES_NEON
#define SB_PIECE SB_PIECE_NEON_DOT
#define SB_STEP_BYTES SB_STEP_NEON
#define SB_CENTRED_BYTES 1
enum { SB_CHUNK_STEPS = 64 };

#if !defined(__ARM_FEATURE_DOTPROD) || defined(SB_PLAIN_C)
#include "multiply_plain.h"
#else
#include "gather_filters_neon.h"
#include "registers_neon.h"

#define SB_MULTIPLIES_TILES 1
enum { SB_WEIGHT_BYTES = 64 };

/* One piece of all pixels with the filters of vector v. */
#define SB_DOT_PIECE(piece, weight)                                                                \
    SB_UNROLL                                                                                      \
    for (int p = 0; p < pixels; ++p) {                                                             \
        sums[p * vectors + v] = vdotq_laneq_s32(sums[p * vectors + v], weight, x[p], piece);       \
        SB_KEEP(sums[p * vectors + v]);                                                            \
    }

SB_INLINE const int8_t *sb_multiply_step(int pixels, int vectors, const int8_t *weights,
                                         const int8x16_t *x, int32x4_t *sums) {
    SB_UNROLL
    for (int v = 0; v < vectors; ++v) {
        int8x16_t first, second;
        weights = sb_load_pair(weights, &first, &second);
        SB_DOT_PIECE(0, first)
        SB_DOT_PIECE(1, second)
        weights = sb_load_pair(weights, &first, &second);
        SB_DOT_PIECE(2, first)
        SB_DOT_PIECE(3, second)
    }
    return weights;
}

/* width: 1. */
SB_INLINE void sb_multiply_tile(int pixels, int vectors, int width, const sb_run *run,
                                const sb_strip *strip, size_t first) {
    int32x4_t sums[SB_PIXELS * SB_MOST_VECTORS];
    const int8_t *pixel[SB_PIXELS];
    int32_t *kept[SB_PIXELS];
    const int8_t *weights = run->weights;
    (void)width;
    SB_UNROLL
    for (int p = 0; p < pixels; ++p) {
        pixel[p] = (const int8_t *)strip->pixels[first + p];
        kept[p] = strip->sums + (size_t)strip->slots[first + p] * SB_FILTERS;
        SB_UNROLL
        for (int v = 0; v < vectors; ++v)
            sums[p * vectors + v] = run->opens ? vdupq_n_s32(0) : vld1q_s32(kept[p] + 4 * v);
    }
    for (const int32_t *offset = run->offsets, *end = offset + run->steps; offset < end; ++offset) {
        int8x16_t x[SB_PIXELS];
        SB_UNROLL
        for (int p = 0; p < pixels; ++p)
            x[p] = vld1q_s8(pixel[p] + *offset);
        weights = sb_multiply_step(pixels, vectors, weights, x, sums);
    }
    SB_UNROLL
    for (int p = 0; p < pixels; ++p) {
        SB_UNROLL
        for (int v = 0; v < vectors; ++v)
            vst1q_s32(kept[p] + 4 * v, sums[p * vectors + v]);
    }
}

/* Where the sum of a filter lies in a vector of sums. */
SB_INLINE size_t sb_filter_position(size_t filter) {
    return filter;
}

#endif
#endif
