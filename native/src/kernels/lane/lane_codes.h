/* SB_LANES codes at once, the 16-bit sums of them, and the int32 sums and float32 numbers they
 * become. sb_stored holds codes as they lie in memory, sb_vector 16 bits per lane: the same where a
 * code has two bytes (../code.h).
 *
 * A vector of codes widens into parts of half as many lanes: part 0 holds the even lanes, part 1
 * the odd ones. So widening is a mask and a shift, and narrowing a shift and an or, on every
 * instruction set:
 *   codes  | a0 | a1 | a2 | a3 |        as pairs a0 + 65536 a1, a2 + 65536 a3
 *   part 0 |   a0    |   a2    |        pair & 65535
 *   part 1 |   a1    |   a3    |        pair >> 16
 * What is added to sums lane by lane must lie in the same order; sb_place_of says where a lane is.
 * In plain C a part is one lane, and neon_codes.h has four parts of four. */
#ifndef SB_KERNELS_LANE_CODES_H
#define SB_KERNELS_LANE_CODES_H

#include "../code.h"

#include <stddef.h>
#include <string.h>

#if defined(__AVX2__) && !defined(SB_PLAIN_C)
#include <immintrin.h>
#endif

typedef sb_code sb_element;
typedef uint16_t sb_lane;

#if defined(__ARM_NEON) && SB_BYTE_CODES && SB_LANES == 16 && !defined(SB_PLAIN_C)
#include "neon_codes.h"
#elif defined(__GNUC__) && !defined(SB_PLAIN_C) && SB_LANES > 1
enum { SB_PARTS = 2, SB_PART_LANES = SB_LANES / 2 };
typedef uint16_t sb_vector __attribute__((vector_size(2 * SB_LANES), may_alias));
typedef int16_t sb_signed __attribute__((vector_size(2 * SB_LANES), may_alias));
typedef uint32_t sb_whole __attribute__((vector_size(2 * SB_LANES), may_alias));
typedef int32_t sb_integer __attribute__((vector_size(2 * SB_LANES), may_alias));
typedef float sb_real __attribute__((vector_size(2 * SB_LANES), may_alias));
#define SB_BROADCAST(value) ((sb_vector){0} + (uint16_t)(value))
#define SB_ADD(a, b) ((a) + (b))
#define SB_SUBTRACT(a, b) ((a) - (b))
#define SB_MULTIPLY(a, b) ((a) * (b))
#define SB_LOAD_LANES(address) (*(const sb_vector *)(address))
#define SB_STORE_LANES(address, value) (*(sb_vector *)(address) = (value))
#if SB_BYTE_CODES
typedef uint8_t sb_stored __attribute__((vector_size(SB_LANES), may_alias));
#if defined(__ARM_NEON) && SB_LANES == 8 /* which GCC does lane by lane otherwise */
#include <arm_neon.h>
#define SB_WIDEN(stored) ((sb_vector)vmovl_u8((uint8x8_t)(stored)))
#define SB_NARROW(vector) ((sb_stored)vmovn_u16((uint16x8_t)(vector)))
#else
#define SB_WIDEN(stored) __builtin_convertvector(stored, sb_vector)
#define SB_NARROW(vector) __builtin_convertvector(vector, sb_stored)
#endif
#else
typedef sb_vector sb_stored;
#define SB_WIDEN(stored) (stored)
#define SB_NARROW(vector) (vector)
#endif
#define SB_FILL(value) ((sb_stored){0} + (sb_code)(value))
#define SB_FETCH(address) (*(const sb_stored *)(address))
#define SB_PUT(address, value) (*(sb_stored *)(address) = (value))
#else
#define SB_CODES_PLAIN 1
enum { SB_PARTS = SB_LANES, SB_PART_LANES = 1 };
typedef struct sb_vector {
    uint16_t lane[SB_LANES];
} sb_vector;
typedef uint32_t sb_whole;
typedef float sb_real;
#define SB_LANE_LOOP(name, expression)                                                             \
    SB_INLINE sb_vector name(sb_vector a, sb_vector b) {                                           \
        for (int i = 0; i < SB_LANES; ++i)                                                         \
            a.lane[i] = (uint16_t)(expression);                                                    \
        return a;                                                                                  \
    }
SB_LANE_LOOP(SB_ADD, a.lane[i] + b.lane[i])
SB_LANE_LOOP(SB_SUBTRACT, a.lane[i] - b.lane[i])
SB_LANE_LOOP(SB_MULTIPLY, (uint32_t)a.lane[i] * b.lane[i])
SB_INLINE sb_vector SB_BROADCAST(int32_t value) {
    sb_vector result;
    for (int i = 0; i < SB_LANES; ++i)
        result.lane[i] = (uint16_t)value;
    return result;
}
SB_INLINE sb_vector SB_LOAD_LANES(const sb_lane *address) {
    sb_vector result;
    memcpy(&result, address, sizeof result);
    return result;
}
SB_INLINE void SB_STORE_LANES(sb_lane *address, sb_vector value) {
    memcpy(address, &value, sizeof value);
}
typedef struct sb_stored {
    sb_code lane[SB_LANES];
} sb_stored;
SB_INLINE sb_vector SB_WIDEN(sb_stored stored) {
    sb_vector result;
    for (int i = 0; i < SB_LANES; ++i)
        result.lane[i] = stored.lane[i];
    return result;
}
SB_INLINE sb_stored SB_NARROW(sb_vector value) {
    sb_stored result;
    for (int i = 0; i < SB_LANES; ++i)
        result.lane[i] = (sb_code)value.lane[i];
    return result;
}
SB_INLINE sb_stored SB_FILL(int32_t value) {
    sb_stored result;
    for (int i = 0; i < SB_LANES; ++i)
        result.lane[i] = (sb_code)value;
    return result;
}
SB_INLINE sb_stored SB_FETCH(const sb_code *address) {
    sb_stored result;
    memcpy(&result, address, sizeof result);
    return result;
}
SB_INLINE void SB_PUT(sb_code *address, sb_stored value) {
    memcpy(address, &value, sizeof value);
}
#endif

#define SB_LOAD(address) SB_WIDEN(SB_FETCH(address))
#define SB_STORE(address, value) SB_PUT(address, SB_NARROW(value))

#ifndef SB_NEON_CODES

/* All lanes as sums, int32 in two's complement that wraps: what is stored may, what becomes a
 * number does not; and as numbers. */
typedef struct sb_sums {
    sb_whole part[SB_PARTS];
} sb_sums;
typedef struct sb_reals {
    sb_real part[SB_PARTS];
} sb_reals;

/* Which of the lanes of sums, part after part, holds a lane of codes. */
SB_INLINE int sb_place_of(int lane) {
    return lane % SB_PARTS * SB_PART_LANES + lane / SB_PARTS;
}

/* The greater one. Codes of 16 bits are below 2^15, so that a signed comparison serves. */
SB_INLINE sb_stored sb_greater(sb_stored best, sb_stored value) {
#ifdef SB_CODES_PLAIN
    for (int i = 0; i < SB_LANES; ++i)
        best.lane[i] = value.lane[i] > best.lane[i] ? value.lane[i] : best.lane[i];
    return best;
#elif defined(__AVX2__) && SB_LANES == 16
    return (sb_vector)_mm256_max_epu16((__m256i)best, (__m256i)value);
#elif SB_BYTE_CODES
    const sb_stored mask = (sb_stored)(value > best);
    return (value & mask) | (best & ~mask);
#else
    const sb_vector mask = (sb_vector)((sb_signed)value > (sb_signed)best);
    return (value & mask) | (best & ~mask);
#endif
}

/* ---- between codes, sums and numbers ------------------------------------------------------ */

SB_INLINE sb_sums sb_widen(sb_vector value) {
    sb_sums sums;
#ifdef SB_CODES_PLAIN
    for (int p = 0; p < SB_PARTS; ++p)
        sums.part[p] = value.lane[p];
#else
    sums.part[0] = (sb_whole)value & 0xffffu;
    sums.part[1] = (sb_whole)value >> 16;
#endif
    return sums;
}

/* The same of 16-bit numbers with a sign. */
SB_INLINE sb_sums sb_widen_signed(sb_vector value) {
    sb_sums sums;
#ifdef SB_CODES_PLAIN
    for (int p = 0; p < SB_PARTS; ++p)
        sums.part[p] = value.lane[p] - ((value.lane[p] & 0x8000u) << 1);
#else
    sums.part[0] = (sb_whole)((sb_integer)((sb_whole)value << 16) >> 16);
    sums.part[1] = (sb_whole)((sb_integer)value >> 16);
#endif
    return sums;
}

/* Codes of numbers in [-zero, 65535 - zero]: rounded, ties to even, plus zero. 1.5 * 2^23 + f keeps
 * no fraction, so the addition rounds, and the low half of its bits is the whole number. */
SB_INLINE sb_vector sb_to_codes(sb_reals reals, int32_t zero) {
#if defined(SB_CODES_PLAIN)
    sb_vector result;
    for (int p = 0; p < SB_PARTS; ++p) {
        const float shifted = reals.part[p] + 12582912.0f;
        uint32_t bits;
        memcpy(&bits, &shifted, sizeof bits);
        result.lane[p] = (uint16_t)(bits + (uint32_t)zero);
    }
    return result;
#elif defined(__AVX2__) && SB_LANES == 16
    const __m256i even = _mm256_cvtps_epi32((__m256)reals.part[0]);
    const __m256i odd = _mm256_slli_epi32(_mm256_cvtps_epi32((__m256)reals.part[1]), 16);
    return (sb_vector)_mm256_blend_epi16(even, odd, 0xaa) + (uint16_t)zero;
#else
    const sb_whole even = (sb_whole)(reals.part[0] + 12582912.0f) & 0xffffu;
    const sb_whole odd = (sb_whole)(reals.part[1] + 12582912.0f) << 16;
    return (sb_vector)(even | odd) + (uint16_t)zero;
#endif
}

/* sums + value, lane by lane. */
SB_INLINE sb_sums sb_add_widened(sb_sums sums, sb_vector value) {
    const sb_sums widened = sb_widen(value);
    for (int p = 0; p < SB_PARTS; ++p)
        sums.part[p] += widened.part[p];
    return sums;
}

/* Lanes in their own order. */
SB_INLINE void sb_store_floats(float *address, sb_reals reals) {
    for (int p = 0; p < SB_PARTS; ++p) {
#ifdef SB_CODES_PLAIN
        address[p] = reals.part[p];
#else
        float lanes[SB_PART_LANES];
        memcpy(lanes, &reals.part[p], sizeof lanes);
        for (int i = 0; i < SB_PART_LANES; ++i)
            address[SB_PARTS * i + p] = lanes[i];
#endif
    }
}

#endif

/* ---- sums --------------------------------------------------------------------------------- */

SB_INLINE sb_sums sb_same_sums(int32_t value) {
    sb_sums sums;
    for (int p = 0; p < SB_PARTS; ++p)
        sums.part[p] = (sb_whole){0} + (uint32_t)value;
    return sums;
}

SB_INLINE sb_sums sb_add_sums(sb_sums a, sb_sums b) {
    for (int p = 0; p < SB_PARTS; ++p)
        a.part[p] += b.part[p];
    return a;
}

SB_INLINE sb_sums sb_shift_sums(sb_sums a, int32_t by) {
    for (int p = 0; p < SB_PARTS; ++p)
        a.part[p] += (uint32_t)by;
    return a;
}

SB_INLINE sb_sums sb_load_sums(const int32_t *address) {
    sb_sums sums;
    for (int p = 0; p < SB_PARTS; ++p)
        sums.part[p] = *(const sb_whole *)(address + p * SB_PART_LANES);
    return sums;
}

SB_INLINE void sb_store_sums(int32_t *address, sb_sums sums) {
    for (int p = 0; p < SB_PARTS; ++p)
        *(sb_whole *)(address + p * SB_PART_LANES) = sums.part[p];
}

/* ---- numbers ------------------------------------------------------------------------------ */

SB_INLINE sb_reals sb_to_reals(sb_sums sums) {
    sb_reals reals;
    for (int p = 0; p < SB_PARTS; ++p)
#ifdef SB_CODES_PLAIN
        reals.part[p] = (float)(int32_t)sums.part[p];
#else
        reals.part[p] = __builtin_convertvector((sb_integer)sums.part[p], sb_real);
#endif
    return reals;
}

/* a > b ? a : b and a < b ? a : b; b where either is NaN. */
SB_INLINE sb_real sb_above(sb_real a, float b) {
#ifdef SB_CODES_PLAIN
    return a > b ? a : b;
#elif defined(__AVX2__) && SB_LANES == 16
    return (sb_real)_mm256_max_ps((__m256)a, _mm256_set1_ps(b));
#else
    const sb_real bound = (sb_real){0} + b;
    const sb_whole mask = (sb_whole)(a > bound);
    return (sb_real)(((sb_whole)a & mask) | ((sb_whole)bound & ~mask));
#endif
}

SB_INLINE sb_real sb_below(sb_real a, float b) {
#ifdef SB_CODES_PLAIN
    return a < b ? a : b;
#elif defined(__AVX2__) && SB_LANES == 16
    return (sb_real)_mm256_min_ps((__m256)a, _mm256_set1_ps(b));
#else
    const sb_real bound = (sb_real){0} + b;
    const sb_whole mask = (sb_whole)(a < bound);
    return (sb_real)(((sb_whole)a & mask) | ((sb_whole)bound & ~mask));
#endif
}

/* a < b ? yes : a, so that NaN stays. */
SB_INLINE sb_real sb_replace_less(sb_real a, float b, sb_real yes) {
#ifdef SB_CODES_PLAIN
    return a < b ? yes : a;
#else
    const sb_whole mask = (sb_whole)(a < ((sb_real){0} + b));
    return (sb_real)(((sb_whole)yes & mask) | ((sb_whole)a & ~mask));
#endif
}

/* a > b ? b : a. */
SB_INLINE sb_real sb_replace_greater(sb_real a, float b) {
#ifdef SB_CODES_PLAIN
    return a > b ? b : a;
#else
    const sb_real bound = (sb_real){0} + b;
    const sb_whole mask = (sb_whole)(a > bound);
    return (sb_real)(((sb_whole)bound & mask) | ((sb_whole)a & ~mask));
#endif
}

/* a > b ? a : no. */
SB_INLINE sb_real sb_keep_greater(sb_real a, float b, sb_real no) {
#ifdef SB_CODES_PLAIN
    return a > b ? a : no;
#else
    const sb_whole mask = (sb_whole)(a > ((sb_real){0} + b));
    return (sb_real)(((sb_whole)a & mask) | ((sb_whole)no & ~mask));
#endif
}

#endif
