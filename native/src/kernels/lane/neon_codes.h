/* 16 codes at once by NEON: bytes in memory (one register), 16-bit sums (two), int32 sums and
 * float32 numbers (four), all with the lanes in their own order.
 *
 * ARM adds from no memory: with codes of 16 bits every addition would have a load before it. But it
 * adds bytes to 16-bit numbers, the first eight of a register or the last, for the price of any
 * addition. So one load of 16 codes serves two additions:
 *
 *   codes of 16 bits, 8 lanes        codes of bytes, 16 lanes
 *   LDR q0, [window]                 LDR    q0, [window]
 *   ADD s.8h, s.8h, v0.8h            UADDW  s.8h, s.8h, v0.8b       lanes 0 to 7
 *                                    UADDW2 t.8h, t.8h, v0.16b      lanes 8 to 15
 *   2 instructions, 16 bytes         3 instructions, 16 bytes
 *   = 4 and 32 bytes for 16 lanes    = 3 and 16 bytes for 16 lanes
 *
 * Merging walks into int32 sums is the same trick once more (UADDW from 16 to 32 bits). */
#ifndef SB_KERNELS_NEON_CODES_H
#define SB_KERNELS_NEON_CODES_H

#include <arm_neon.h>

#define SB_NEON_CODES 1
enum { SB_PARTS = 4, SB_PART_LANES = 4 };
typedef uint8_t sb_stored __attribute__((vector_size(16), may_alias));
typedef uint32_t sb_whole __attribute__((vector_size(16), may_alias));
typedef int32_t sb_integer __attribute__((vector_size(16), may_alias));
typedef float sb_real __attribute__((vector_size(16), may_alias));

typedef struct sb_vector {
    uint16x8_t half[2];
} sb_vector;

typedef struct sb_sums {
    sb_whole part[SB_PARTS];
} sb_sums;
typedef struct sb_reals {
    sb_real part[SB_PARTS];
} sb_reals;

#define SB_FILL(value) ((sb_stored){0} + (sb_code)(value))
#define SB_FETCH(address) (*(const sb_stored *)(address))
#define SB_PUT(address, value) (*(sb_stored *)(address) = (value))

SB_INLINE sb_vector SB_BROADCAST(int32_t value) {
    const uint16x8_t all = vdupq_n_u16((uint16_t)value);
    return (sb_vector){{all, all}};
}

SB_INLINE sb_vector SB_ADD(sb_vector a, sb_vector b) {
    return (sb_vector){{vaddq_u16(a.half[0], b.half[0]), vaddq_u16(a.half[1], b.half[1])}};
}

SB_INLINE sb_vector SB_SUBTRACT(sb_vector a, sb_vector b) {
    return (sb_vector){{vsubq_u16(a.half[0], b.half[0]), vsubq_u16(a.half[1], b.half[1])}};
}

SB_INLINE sb_vector SB_MULTIPLY(sb_vector a, sb_vector b) {
    return (sb_vector){{vmulq_u16(a.half[0], b.half[0]), vmulq_u16(a.half[1], b.half[1])}};
}

SB_INLINE sb_vector SB_LOAD_LANES(const sb_lane *address) {
    return (sb_vector){{vld1q_u16(address), vld1q_u16(address + 8)}};
}

SB_INLINE void SB_STORE_LANES(sb_lane *address, sb_vector value) {
    vst1q_u16(address, value.half[0]);
    vst1q_u16(address + 8, value.half[1]);
}

SB_INLINE sb_vector SB_WIDEN(sb_stored stored) {
    const uint8x16_t codes = (uint8x16_t)stored;
    return (sb_vector){{vmovl_u8(vget_low_u8(codes)), vmovl_high_u8(codes)}};
}

SB_INLINE sb_stored SB_NARROW(sb_vector value) {
    return (sb_stored)vuzp1q_u8(vreinterpretq_u8_u16(value.half[0]),
                                vreinterpretq_u8_u16(value.half[1]));
}

#define SB_ADD_FROM sb_add_from
SB_INLINE sb_vector sb_add_from(sb_vector sum, const sb_element *address) {
    const uint8x16_t codes = vld1q_u8(address);
    return (sb_vector){
        {vaddw_u8(sum.half[0], vget_low_u8(codes)), vaddw_high_u8(sum.half[1], codes)}};
}

#define SB_SUBTRACT_FROM sb_subtract_from
SB_INLINE sb_vector sb_subtract_from(sb_vector sum, const sb_element *address) {
    const uint8x16_t codes = vld1q_u8(address);
    return (sb_vector){
        {vsubw_u8(sum.half[0], vget_low_u8(codes)), vsubw_high_u8(sum.half[1], codes)}};
}

SB_INLINE int sb_place_of(int lane) {
    return lane;
}

SB_INLINE sb_stored sb_greater(sb_stored best, sb_stored value) {
    return (sb_stored)vmaxq_u8((uint8x16_t)best, (uint8x16_t)value);
}

/* sums + value, lane by lane. */
SB_INLINE sb_sums sb_add_widened(sb_sums sums, sb_vector value) {
    for (int h = 0; h < 2; ++h) {
        sb_whole *part = sums.part + 2 * h;
        part[0] = (sb_whole)vaddw_u16((uint32x4_t)part[0], vget_low_u16(value.half[h]));
        part[1] = (sb_whole)vaddw_high_u16((uint32x4_t)part[1], value.half[h]);
    }
    return sums;
}

SB_INLINE sb_sums sb_widen(sb_vector value) {
    sb_sums sums;
    for (int h = 0; h < 2; ++h) {
        sums.part[2 * h] = (sb_whole)vmovl_u16(vget_low_u16(value.half[h]));
        sums.part[2 * h + 1] = (sb_whole)vmovl_high_u16(value.half[h]);
    }
    return sums;
}

SB_INLINE sb_sums sb_widen_signed(sb_vector value) {
    sb_sums sums;
    for (int h = 0; h < 2; ++h) {
        const int16x8_t half = vreinterpretq_s16_u16(value.half[h]);
        sums.part[2 * h] = (sb_whole)vmovl_s16(vget_low_s16(half));
        sums.part[2 * h + 1] = (sb_whole)vmovl_high_s16(half);
    }
    return sums;
}

/* Codes of numbers, clamped to [0, top] and rounded, ties to even; a NaN becomes code 0. A number
 * is raised to -zero first, which also replaces NaN. Rounding keeps the order of numbers, and
 * conversions saturate, so that the upper bound may wait until there is one register of bytes. */
SB_INLINE sb_stored sb_round_to_codes(sb_reals reals, int32_t zero, int32_t top) {
    const float32x4_t low = vdupq_n_f32((float)-zero);
    const int16x8_t shift = vdupq_n_s16((int16_t)zero);
    int32x4_t whole[SB_PARTS];
    uint8x8_t codes[2];
    for (int p = 0; p < SB_PARTS; ++p)
        whole[p] = vcvtnq_s32_f32(vmaxnmq_f32((float32x4_t)reals.part[p], low));
    for (int h = 0; h < 2; ++h) {
        const int16x8_t half = vqmovn_high_s32(vqmovn_s32(whole[2 * h]), whole[2 * h + 1]);
        codes[h] = vqmovun_s16(vqaddq_s16(half, shift));
    }
    return (sb_stored)vminq_u8(vcombine_u8(codes[0], codes[1]), vdupq_n_u8((uint8_t)top));
}

SB_INLINE void sb_store_floats(float *address, sb_reals reals) {
    for (int p = 0; p < SB_PARTS; ++p)
        vst1q_f32(address + p * SB_PART_LANES, (float32x4_t)reals.part[p]);
}

#endif
