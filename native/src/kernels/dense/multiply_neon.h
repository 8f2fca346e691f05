/* Products by SMULL and SMLAL, 8 of them into 16 bits: an integer of at most 63 and a code less 128
 * make at most 8064, so that 4 of them fit. Lanes hold neighbouring inputs of one filter, and
 * SADALP adds them up in int32 by pairs:
 *   two steps, 32 products   SMULL, SMLAL2, SMLAL, SMLAL2, SADALP
 * 32 registers:
 *   4 pixels x 4 filters = 16 sums, 2 x 4 of pixels' bytes, 4 of weights, 4 of products */
#ifndef SB_KERNELS_MULTIPLY_NEON_H
#define SB_KERNELS_MULTIPLY_NEON_H

#include "../lane/lane_vector.h"
#include "product_strip.h"

#define SB_SUM_LANES SB_SUM_LANES_NEON
#define SB_PIECE SB_PIECE_NEON
#define SB_STEP_BYTES SB_STEP_NEON
#define SB_CENTRED_BYTES 1
enum { SB_CHUNK_STEPS = 64 };

#if !defined(__ARM_NEON) || !defined(__aarch64__) || defined(SB_PLAIN_C)
#include "multiply_plain.h"
#else
#include "gather_filters_neon.h"
#include "registers_neon.h"

#define SB_MULTIPLIES_TILES 1
enum { SB_WEIGHT_BYTES = 64, SB_VECTOR_FILTERS = 4 };
_Static_assert(SB_PIXELS <= 4, "sums of 4 filters, and what makes them, fit the registers");

/* Pixels of a tile and one vector of filters. sums: [pixel][filter], 4 partial ones each. stride:
 * bytes from a step's weights to the next one's. */
typedef struct sb_byte_tile {
    const int8_t *pixel[SB_PIXELS];
    size_t stride;
} sb_byte_tile;

#define SB_FOR_PIXELS(statement)                                                                   \
    SB_UNROLL                                                                                      \
    for (int p = 0; p < pixels; ++p) {                                                             \
        statement;                                                                                 \
        SB_KEEP(product[p]);                                                                       \
    }

/* 16 bytes of each pixel with those of filter f, of one step or (second) of two. */
SB_INLINE void sb_multiply_filter(int pixels, int f, const int8x16_t *weight,
                                  const int8x16_t (*x)[SB_PIXELS], bool second, int32x4_t *sums) {
    int16x8_t product[SB_PIXELS];
    SB_FOR_PIXELS(product[p] = vmull_s8(vget_low_s8(weight[0]), vget_low_s8(x[0][p])))
    SB_FOR_PIXELS(product[p] = vmlal_high_s8(product[p], weight[0], x[0][p]))
    if (second) {
        SB_FOR_PIXELS(product[p] =
                          vmlal_s8(product[p], vget_low_s8(weight[1]), vget_low_s8(x[1][p])))
        SB_FOR_PIXELS(product[p] = vmlal_high_s8(product[p], weight[1], x[1][p]))
    }
    SB_UNROLL
    for (int p = 0; p < pixels; ++p)
        __asm__ volatile("sadalp %0.4s, %1.8h"
                         : "+w"(sums[p * SB_VECTOR_FILTERS + f])
                         : "w"(product[p]));
}

/* One step, or two of them. */
SB_INLINE void sb_multiply_steps(int pixels, const sb_byte_tile *tile, const int32_t *offsets,
                                 const int8_t *weights, bool second, int32x4_t *sums) {
    const int8_t *next = second ? weights + tile->stride : weights;
    int8x16_t x[2][SB_PIXELS];
    SB_UNROLL
    for (int p = 0; p < pixels; ++p)
        x[0][p] = vld1q_s8(tile->pixel[p] + offsets[0]);
    const int others = second ? pixels : 0;
    SB_UNROLL
    for (int p = 0; p < others; ++p)
        x[1][p] = vld1q_s8(tile->pixel[p] + offsets[1]);
    SB_UNROLL
    for (int f = 0; f < SB_VECTOR_FILTERS; f += 2) {
        int8x16_t even[2], odd[2];
        weights = sb_load_pair(weights, even, odd);
        if (second)
            next = sb_load_pair(next, even + 1, odd + 1);
        sb_multiply_filter(pixels, f, even, (const int8x16_t(*)[SB_PIXELS])x, second, sums);
        sb_multiply_filter(pixels, f + 1, odd, (const int8x16_t(*)[SB_PIXELS])x, second, sums);
    }
}

/* The partial sums of a pixel's filters, added up. */
SB_INLINE int32x4_t sb_add_up(const int32x4_t *sums) {
    return vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3]));
}

/* width: 1. */
SB_INLINE void sb_multiply_tile(int pixels, int vectors, int width, const sb_run *run,
                                const sb_strip *strip, size_t first) {
    sb_byte_tile tile = {.stride = (size_t)vectors * SB_WEIGHT_BYTES};
    (void)width;
    SB_UNROLL
    for (int p = 0; p < pixels; ++p)
        tile.pixel[p] = (const int8_t *)strip->pixels[first + p];
    for (int v = 0; v < vectors; ++v) {
        const int8_t *weights = run->weights + v * SB_WEIGHT_BYTES;
        const int32_t *offsets = run->offsets, *pairs = offsets + run->steps / 2 * 2;
        int32x4_t sums[SB_PIXELS * SB_VECTOR_FILTERS];
        SB_UNROLL
        for (int i = 0; i < pixels * SB_VECTOR_FILTERS; ++i)
            sums[i] = vdupq_n_s32(0);
        for (; offsets < pairs; offsets += 2, weights += 2 * tile.stride)
            sb_multiply_steps(pixels, &tile, offsets, weights, true, sums);
        if (run->steps % 2)
            sb_multiply_steps(pixels, &tile, offsets, weights, false, sums);
        SB_UNROLL
        for (int p = 0; p < pixels; ++p) {
            int32_t *kept = strip->sums + (size_t)strip->slots[first + p] * SB_FILTERS + 4 * v;
            const int32x4_t sum = sb_add_up(sums + p * SB_VECTOR_FILTERS);
            vst1q_s32(kept, run->opens ? sum : vaddq_s32(sum, vld1q_s32(kept)));
        }
    }
}

/* Where the sum of a filter lies in a vector of sums. */
SB_INLINE size_t sb_filter_position(size_t filter) {
    return filter;
}

#endif
#endif
