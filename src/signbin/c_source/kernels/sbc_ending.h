/* The ending of sbc.h on four pixels at once, and on one. Every float operation must be rounded by
 * itself, or codes differ from those of signbin in Python: no fused multiply-add, no fast maths, no
 * wider registers. */
#ifndef SBC_ENDING_H
#define SBC_ENDING_H

#include "sbc.h"

#include <float.h>
#include <stddef.h>

#if defined(__FAST_MATH__)
#error "compile the exported network without -ffast-math"
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "compile the exported network so that float operations are rounded to float: -msse2"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#if defined(__GNUC__)
#define SBC_INLINE static inline __attribute__((always_inline))
#define SBC_APART __attribute__((noinline)) /* a loop of its own keeps its sums in registers */
#else
#define SBC_INLINE static inline
#define SBC_APART
#endif

/* The nearest whole number, ties to even, of |f| < 2^22: 1.5 * 2^23 + f keeps no fraction. */
static inline int32_t sbc_nearest(float f) {
    union {
        float number;
        uint32_t bits;
    } shifted;
    shifted.number = f + 12582912.0f;
    return (int32_t)(shifted.bits - 0x4b400000u);
}

/* 0..255. */
static inline uint32_t sbc_byte(int32_t code) {
#if defined(__GNUC__) && defined(__ARM_FEATURE_SAT)
    uint32_t made;
    __asm__("usat %0, #8, %1" : "=r"(made) : "r"(code));
    return made;
#else
    return (uint32_t)(code < 0 ? 0 : code > 255 ? 255 : code);
#endif
}

/* Every byte at most `top`. */
static inline uint32_t sbc_limited(uint32_t word, uint32_t top) {
    uint32_t made = 0;
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        const uint32_t code = word >> shift & 255u;
        made |= (code > top ? top : code) << shift;
    }
    return made;
}

/* f of any size; a NaN becomes the least code. */
static inline uint32_t sbc_code(float f, int32_t zero, int32_t top) {
    const float low = (float)-zero, high = (float)(top - zero);
    f = f > low ? f : low;
    f = f < high ? f : high;
    return (uint32_t)(sbc_nearest(f) + zero);
}

static inline float sbc_activated(const sbc_ending *ending, uint32_t k, float f) {
    if (ending->activation == SBC_RELU)
        f = f < 0.0f ? 0.0f : f;
    else if (ending->activation == SBC_LEAKY)
        f = f > 0.0f ? f : ending->slope[k] * f;
    else if (ending->activation == SBC_CLAMP) {
        f = f < ending->low ? ending->low : f;
        f = f > ending->high ? ending->high : f;
    }
    if (ending->post_bias)
        f += ending->post_bias[k];
    return f;
}

/* One sum, before it becomes a code. */
static inline float sbc_number(const sbc_ending *ending, uint32_t k, int32_t sum, int32_t total) {
    float f = (float)sum * ending->scale[k];
    f += ending->bias[k];
    if (ending->offset)
        f += ending->offset[k] * (float)total;
    return sbc_activated(ending, k, f);
}

static inline void sbc_put(const sbc_ending *ending, uint32_t at, float f, uint8_t *codes,
                           float *numbers) {
    if (codes)
        codes[at] = (uint8_t)sbc_code(f, ending->zero, ending->top);
    else
        numbers[at] = f;
}

/* Four sums through any ending, one after the other. */
static inline uint32_t sbc_any(const sbc_ending *ending, uint32_t k, const int32_t *sums,
                               const float *totals, const uint32_t *residual) {
    uint32_t word = 0;
    for (uint32_t lane = 0; lane < 4; ++lane) {
        float f = (float)sums[lane] * ending->scale[k];
        f += ending->bias[k];
        if (ending->offset)
            f += ending->offset[k] * totals[lane];
        if (residual) {
            const int32_t steps = (int32_t)(*residual >> 8 * lane & 255u) - ending->residual_zero;
            f += ending->residual_scale * (float)steps;
        }
        word |= sbc_code(sbc_activated(ending, k, f), ending->zero, ending->top) << 8 * lane;
    }
    return word;
}

/* The usual endings, of |f| < 2^22. `how` is a constant where this is called, so that each is
 * compiled by itself. */
SBC_INLINE uint32_t sbc_lane(const sbc_ending *ending, uint32_t k, int32_t sum, const float *total,
                             uint32_t residual, int how) {
    float f = (float)sum * ending->scale[k];
    f += ending->bias[k];
    if (how & SBC_WITH_TOTAL)
        f += ending->offset[k] * *total;
    if (how & SBC_WITH_RESIDUAL)
        f += ending->residual_scale * (float)((int32_t)residual - ending->residual_zero);
    if (how & SBC_BOUNDED_LEAKY) {
        if (!(f > 0.0f))
            f *= ending->slope[k];
        f += ending->post_bias[k];
    }
    return sbc_byte(sbc_nearest(f) + ending->zero);
}

SBC_INLINE uint32_t sbc_four(const sbc_ending *ending, uint32_t k, const int32_t *sums,
                             const float *totals, const uint32_t *residual, int how) {
    const uint32_t added = how & SBC_WITH_RESIDUAL ? *residual : 0;
    uint32_t word = sbc_lane(ending, k, sums[0], totals, added & 255u, how);
    word |= sbc_lane(ending, k, sums[1], totals + 1, added >> 8 & 255u, how) << 8;
    word |= sbc_lane(ending, k, sums[2], totals + 2, added >> 16 & 255u, how) << 16;
    word |= sbc_lane(ending, k, sums[3], totals + 3, added >> 24, how) << 24;
    return ending->top < 255 ? sbc_limited(word, ending->top) : word;
}

/* Four codes of channel k. totals: T, read where the layer has an offset; residual: NULL where
 * there is none. */
static inline uint32_t sbc_finish(const sbc_ending *ending, uint32_t k, const int32_t *sums,
                                  const float *totals, const uint32_t *residual) {
    switch (ending->how | (residual ? SBC_WITH_RESIDUAL : 0)) {
    case SBC_PLAIN:
        return sbc_four(ending, k, sums, totals, residual, SBC_PLAIN);
    case SBC_PLAIN | SBC_WITH_TOTAL:
        return sbc_four(ending, k, sums, totals, residual, SBC_PLAIN | SBC_WITH_TOTAL);
    case SBC_PLAIN | SBC_WITH_RESIDUAL:
        return sbc_four(ending, k, sums, totals, residual, SBC_PLAIN | SBC_WITH_RESIDUAL);
    case SBC_PLAIN | SBC_WITH_TOTAL | SBC_WITH_RESIDUAL:
        return sbc_four(ending, k, sums, totals, residual,
                        SBC_PLAIN | SBC_WITH_TOTAL | SBC_WITH_RESIDUAL);
    case SBC_BOUNDED_LEAKY:
        return sbc_four(ending, k, sums, totals, residual, SBC_BOUNDED_LEAKY);
    case SBC_BOUNDED_LEAKY | SBC_WITH_RESIDUAL:
        return sbc_four(ending, k, sums, totals, residual, SBC_BOUNDED_LEAKY | SBC_WITH_RESIDUAL);
    default:
        return sbc_any(ending, k, sums, totals, residual);
    }
}

#endif
