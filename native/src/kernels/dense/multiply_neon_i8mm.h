/* Products by SMMLA: 8 bytes of two pixels with those of two filters, 32 products into the four
 * sums that they belong to. 32 registers:
 *   3 pairs of pixels x 8 pairs of filters = 24 sums, 6 of pixels' bytes, 2 of weights */
#ifndef SB_KERNELS_MULTIPLY_NEON_I8MM_H
#define SB_KERNELS_MULTIPLY_NEON_I8MM_H

#include "../lane/lane_vector.h"
#include "product_strip.h"

#define SB_SUM_LANES SB_SUM_LANES_NEON
#define SB_PIECE SB_PIECE_NEON_I8MM
#define SB_STEP_BYTES SB_STEP_NEON
#define SB_CENTRED_BYTES 1
enum { SB_CHUNK_STEPS = 64 };

#if !defined(__ARM_FEATURE_MATMUL_INT8) || defined(SB_PLAIN_C)
#include "multiply_plain.h"
#else
#include "gather_filters_neon.h"
#include "registers_neon.h"

#define SB_MULTIPLIES_TILES 1
#define SB_TAIL_PIXELS 2
enum { SB_WEIGHT_BYTES = 64, SB_PIXEL_PAIRS = SB_PIXELS / 2 };
_Static_assert(SB_PIXELS % 2 == 0, "pixels come in pairs");

SB_INLINE int32x4_t sb_first_halves(int32x4_t a, int32x4_t b) {
    return vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

SB_INLINE int32x4_t sb_second_halves(int32x4_t a, int32x4_t b) {
    return vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

/* Half a step of all pixels with the filters of vector v: two pairs of them. sums:
 * [pair of pixels][vector][pair of filters]. */
#define SB_MATRIX_HALF(half, weight, filters)                                                      \
    SB_UNROLL                                                                                      \
    for (int p = 0; p < pairs; ++p) {                                                              \
        int32x4_t *sum = sums + (p * vectors + v) * 2 + filters;                                   \
        __asm__ volatile("smmla %0.4s, %1.16b, %2.16b"                                             \
                         : "+w"(*sum)                                                              \
                         : "w"(x[2 * p + half]), "w"(weight));                                     \
    }

SB_INLINE const int8_t *sb_multiply_step(int pairs, int vectors, const int8_t *weights,
                                         const int8x16_t *x, int32x4_t *sums) {
    SB_UNROLL
    for (int v = 0; v < vectors; ++v) {
        int8x16_t first, second;
        weights = sb_load_pair(weights, &first, &second);
        SB_MATRIX_HALF(0, first, 0)
        SB_MATRIX_HALF(0, second, 1)
        weights = sb_load_pair(weights, &first, &second);
        SB_MATRIX_HALF(1, first, 0)
        SB_MATRIX_HALF(1, second, 1)
    }
    return weights;
}

/* The first 8 bytes of both pixels of every pair, then the last ones. */
SB_INLINE void sb_load_pixel_pairs(int pairs, const int8_t *const *pixel, int32_t offset,
                                   int8x16_t *x) {
    SB_UNROLL
    for (int p = 0; p < pairs; ++p) {
        const int32x4_t a = vreinterpretq_s32_s8(vld1q_s8(pixel[2 * p] + offset));
        const int32x4_t b = vreinterpretq_s32_s8(vld1q_s8(pixel[2 * p + 1] + offset));
        x[2 * p] = vreinterpretq_s8_s32(sb_first_halves(a, b));
        x[2 * p + 1] = vreinterpretq_s8_s32(sb_second_halves(a, b));
        SB_KEEP(x[2 * p]);
        SB_KEEP(x[2 * p + 1]);
    }
}

/* A single pixel is both of its pair. width: 1. */
SB_INLINE void sb_multiply_tile(int pixels, int vectors, int width, const sb_run *run,
                                const sb_strip *strip, size_t first) {
    const int pairs = (pixels + 1) / 2;
    int32x4_t sums[2 * SB_PIXEL_PAIRS * SB_MOST_VECTORS];
    const int8_t *pixel[SB_PIXELS];
    int32_t *kept[SB_PIXELS];
    const int8_t *weights = run->weights;
    (void)width;
    SB_UNROLL
    for (int p = 0; p < 2 * pairs; ++p) {
        const size_t at = first + (size_t)(p < pixels ? p : p - 1);
        pixel[p] = (const int8_t *)strip->pixels[at];
        kept[p] = strip->sums + (size_t)strip->slots[at] * SB_FILTERS;
    }
    SB_UNROLL
    for (int i = 0; i < pairs * vectors; ++i) {
        const int p = i / vectors * 2, v = i % vectors;
        const int32x4_t none = vdupq_n_s32(0);
        const int32x4_t a = run->opens ? none : vld1q_s32(kept[p] + 4 * v);
        const int32x4_t b = run->opens ? none : vld1q_s32(kept[p + 1] + 4 * v);
        sums[2 * i] = sb_first_halves(a, b);
        sums[2 * i + 1] = sb_second_halves(a, b);
    }
    for (const int32_t *offset = run->offsets, *end = offset + run->steps; offset < end; ++offset) {
        int8x16_t x[SB_PIXELS];
        sb_load_pixel_pairs(pairs, pixel, *offset, x);
        weights = sb_multiply_step(pairs, vectors, weights, x, sums);
    }
    SB_UNROLL
    for (int i = 0; i < pairs * vectors; ++i) {
        const int p = i / vectors * 2, v = i % vectors;
        vst1q_s32(kept[p] + 4 * v, sb_first_halves(sums[2 * i], sums[2 * i + 1]));
        vst1q_s32(kept[p + 1] + 4 * v, sb_second_halves(sums[2 * i], sums[2 * i + 1]));
    }
}

/* Where the sum of a filter lies in a vector of sums. */
SB_INLINE size_t sb_filter_position(size_t filter) {
    return filter;
}

#endif
#endif
