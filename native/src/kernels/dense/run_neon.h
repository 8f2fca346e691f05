/* The inner loops of dense_pixels.h and dense_filters.h for ARM, whose multiply-add takes one of
 * its factors from any lane of a register. 32 registers: 8 filters x 3 vectors of pixels = 24 sums,
 * 2 of weights, 3 of inputs 8 pixels x 3 vectors of filters = 24 sums, 3 of weights, inputs one by
 * one Four inputs a round, so that counting them costs little. */
#ifndef SB_KERNELS_RUN_NEON_H
#define SB_KERNELS_RUN_NEON_H

#include "registers_neon.h"

#define SB_MULTIPLIES_RUNS 1
enum { SB_INPUTS_A_ROUND = 4 };
_Static_assert(SB_FILTERS == 8 && SB_VECTORS == 3, "what the loads are written for");

/* Lane `lane` of `number` times every vector, to the sums. */
#define SB_FUSE(sums, vectors, number, lane)                                                       \
    SB_UNROLL                                                                                      \
    for (int v = 0; v < SB_VECTORS; ++v)                                                           \
        __asm__ volatile("fmla %0.4s, %1.4s, %2.s[" #lane "]"                                      \
                         : "+w"((sums)[v])                                                         \
                         : "w"((vectors)[v]), "w"(number));

/* The next vector, and on to the one after it. */
SB_INLINE const float *sb_load_next(const float *address, sb_vector *vector) {
    sb_vector loaded;
    __asm__ volatile("ldr %q0, [%1], 16"
                     : "=w"(loaded), "+r"(address)
                     : "m"(*(const float (*)[4])address));
    *vector = loaded;
    return address;
}

/* An input of every pixel with all filters; returns the next weights. */
SB_INLINE const int8_t *sb_fuse_filters(const int8_t *weights, const float **inputs,
                                        sb_vector (*y)[SB_VECTORS]) {
    int8x16_t low, high;
    sb_vector x[SB_VECTORS];
    weights = sb_load_pair(weights, &low, &high);
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        inputs[v] = sb_load_next(inputs[v], x + v);
    SB_FUSE(y[0], x, low, 0)
    SB_FUSE(y[1], x, low, 1)
    SB_FUSE(y[2], x, low, 2)
    SB_FUSE(y[3], x, low, 3)
    SB_FUSE(y[4], x, high, 0)
    SB_FUSE(y[5], x, high, 1)
    SB_FUSE(y[6], x, high, 2)
    SB_FUSE(y[7], x, high, 3)
    return weights;
}

/* count inputs of SB_FILTERS filters, one after the other; y stays in registers. */
SB_INLINE void sb_multiply_run(const float *weights, size_t count, const float *const *windows,
                               size_t offset, sb_vector (*y)[SB_VECTORS]) {
    const int8_t *next = (const int8_t *)weights;
    const float *inputs[SB_VECTORS];
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        inputs[v] = windows[v] + offset;
    size_t c = 0;
    for (; c + SB_INPUTS_A_ROUND <= count; c += SB_INPUTS_A_ROUND) {
        SB_UNROLL
        for (int i = 0; i < SB_INPUTS_A_ROUND; ++i)
            next = sb_fuse_filters(next, inputs, y);
    }
    for (; c < count; ++c)
        next = sb_fuse_filters(next, inputs, y);
}

/* An input of `count` pixels, at `offset`, with the filters of all vectors. */
SB_INLINE const float *sb_fuse_pixels(const float *weights, const float *const *pixels,
                                      size_t offset, int count, sb_vector (*y)[SB_VECTORS]) {
    int8x16_t first, second;
    sb_vector weight[SB_VECTORS];
    weights = (const float *)(const void *)sb_load_pair((const int8_t *)weights, &first, &second);
    weight[0] = (sb_vector)first;
    weight[1] = (sb_vector)second;
    weights = sb_load_next(weights, weight + 2);
    SB_UNROLL
    for (int p = 0; p < count; ++p) {
        const float x = pixels[p][offset];
        SB_FUSE(y[p], weight, x, 0)
    }
    return weights;
}

/* length inputs of `count` pixels, known to the compiler, one after the other. */
SB_INLINE const float *sb_multiply_pixels(const float *weights, const float *const *pixels,
                                          size_t offset, size_t length, int count,
                                          sb_vector (*y)[SB_VECTORS]) {
    size_t c = 0;
    for (; c + SB_INPUTS_A_ROUND <= length; c += SB_INPUTS_A_ROUND) {
        SB_UNROLL
        for (int i = 0; i < SB_INPUTS_A_ROUND; ++i, offset += SB_LANES)
            weights = sb_fuse_pixels(weights, pixels, offset, count, y);
    }
    for (; c < length; ++c, offset += SB_LANES)
        weights = sb_fuse_pixels(weights, pixels, offset, count, y);
    return weights;
}

#endif
