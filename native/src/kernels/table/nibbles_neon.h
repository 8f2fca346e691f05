/* nibbles_avx2.h for ARM: bytes of 8 inputs, 32 filters in two registers. TBL looks up the sums of
 * 4 inputs, in two planes: their lower 5 bits, and what lies above. 8 look-ups of a plane fit a
 * byte; then even and odd bytes go into 16 bits each, `all` gathering even + 256 odd mod 2^16 and
 * USRA the odd ones. 32 registers, for 64 filters:
 *   4 x (2 planes of bytes, 2 x 2 of 16 bits) = 24, 4 of tables, the rest for the look-up at hand
 */
#ifndef SB_KERNELS_NIBBLES_NEON_H
#define SB_KERNELS_NIBBLES_NEON_H

#include <arm_neon.h>

enum { SB_CELLS_IN_FLIGHT = 4, SB_BLOCK_REGISTERS = 2 * SB_BLOCK_VECTORS };
_Static_assert(SB_CHUNK *SB_TABLE_IMAGES <= 264 * SB_CELLS_IN_FLIGHT, "sums fit 16 bits");

/* What a register of filters has found: bytes of either plane, and [plane][all, odd]. */
typedef struct sb_nibble_sums {
    uint8x16_t low, high;
    uint16x8_t wide[2][2];
} sb_nibble_sums;

/* 16 bytes of the lower plane, then 16 of the upper one: entry e holds input j where bit j of e is
 * set. inputs: four of them, from lane `first` on. */
#define SB_MAKE_TABLE(inputs, first, table)                                                        \
    do {                                                                                           \
        uint16x8_t sums[2];                                                                        \
        for (int i = 0; i < 2; ++i) {                                                              \
            sums[i] = vmulq_laneq_u16(bits[i][0], inputs, first);                                  \
            sums[i] = vmlaq_laneq_u16(sums[i], bits[i][1], inputs, first + 1);                     \
            sums[i] = vmlaq_laneq_u16(sums[i], bits[i][2], inputs, first + 2);                     \
            sums[i] = vmlaq_laneq_u16(sums[i], bits[i][3], inputs, first + 3);                     \
        }                                                                                          \
        sb_put_table(sums, table);                                                                 \
    } while (0)

static inline void sb_put_table(const uint16x8_t *sums, uint8_t *table) {
    const uint8x16_t first = vreinterpretq_u8_u16(sums[0]), last = vreinterpretq_u8_u16(sums[1]);
    vst1q_u8(table, vandq_u8(vuzp1q_u8(first, last), vdupq_n_u8(31)));
    vst1q_u8(table + 16, vcombine_u8(vshrn_n_u16(sums[0], 5), vshrn_n_u16(sums[1], 5)));
}

static inline void sb_make_tables(const sb_table_input *codes, size_t count, uint8_t *tables) {
    static const uint16_t BITS[2][4][8] = {
        {{0, 1, 0, 1, 0, 1, 0, 1}, {0, 0, 1, 1, 0, 0, 1, 1}, {0, 0, 0, 0, 1, 1, 1, 1}, {0}},
        {{0, 1, 0, 1, 0, 1, 0, 1},
         {0, 0, 1, 1, 0, 0, 1, 1},
         {0, 0, 0, 0, 1, 1, 1, 1},
         {1, 1, 1, 1, 1, 1, 1, 1}}};
    uint16_t words[SB_INPUTS] = {0};
    uint16x8_t bits[2][4];
    for (size_t i = 0; i < count && i < SB_INPUTS; ++i)
        words[i] = SB_INPUT_NUMBER(codes[i]);
    const uint16x8_t inputs = vld1q_u16(words);
    for (int i = 0; i < 8; ++i)
        bits[i / 4][i % 4] = vld1q_u16(BITS[i / 4][i % 4]);
    SB_MAKE_TABLE(inputs, 0, tables);
    SB_MAKE_TABLE(inputs, 4, tables + 32);
}

/* A nibble of every filter's byte in both planes of a table; opens: nothing is in the bytes yet. */
SB_INLINE void sb_look_up_nibbles(uint8x16_t low, uint8x16_t high, uint8x16_t nibbles, bool opens,
                                  sb_nibble_sums *sums) {
    const uint8x16_t first = vqtbl1q_u8(low, nibbles), second = vqtbl1q_u8(high, nibbles);
    sums->low = opens ? first : vaddq_u8(sums->low, first);
    sums->high = opens ? second : vaddq_u8(sums->high, second);
}

/* 8 inputs of all filters. */
SB_INLINE void sb_look_up_cell(int registers, const uint8_t *bytes, const uint8_t *tables,
                               bool opens, sb_nibble_sums *sums) {
    const uint8x16_t half = vdupq_n_u8(15);
    const uint8x16_t table[] = {vld1q_u8(tables), vld1q_u8(tables + 16), vld1q_u8(tables + 32),
                                vld1q_u8(tables + 48)};
    SB_UNROLL
    for (int i = 0; i < registers; ++i) {
        const uint8x16_t cells = vld1q_u8(bytes + 16 * i);
        sb_look_up_nibbles(table[0], table[1], vandq_u8(cells, half), opens, sums + i);
        sb_look_up_nibbles(table[2], table[3], vshrq_n_u8(cells, 4), false, sums + i);
    }
}

SB_INLINE void sb_widen_plane(uint8x16_t bytes, uint16x8_t *wide) {
    const uint16x8_t pairs = vreinterpretq_u16_u8(bytes);
    wide[0] = vaddq_u16(wide[0], pairs);
    wide[1] = vsraq_n_u16(wide[1], pairs, 8);
}

/* 4 filters' sums. */
SB_INLINE void sb_put_sums(const sb_table_run *run, uint16x4_t low, uint16x4_t high,
                           int32_t *target) {
    const uint32x4_t wide = vaddq_u32(vmovl_u16(low), vshll_n_u16(high, 5));
    const int32x4_t found = vreinterpretq_s32_u32(wide);
    const int32x4_t old = run->opens ? vdupq_n_s32(0) : vld1q_s32(target);
    vst1q_s32(target, run->minus ? vsubq_s32(old, found) : vaddq_s32(old, found));
}

/* 32 filters, of two registers, in order: the even ones of both, then the odd ones. */
static inline void sb_put_bytes(const sb_table_run *run, const sb_nibble_sums *sums,
                                int32_t *target) {
    for (int odd = 0; odd < 2; ++odd)
        for (int i = 0; i < 2; ++i, target += 8) {
            uint16x8_t plane[2];
            for (int p = 0; p < 2; ++p) {
                const uint16x8_t *wide = sums[i].wide[p];
                plane[p] = odd ? wide[1] : vsubq_u16(wide[0], vshlq_n_u16(wide[1], 8));
            }
            sb_put_sums(run, vget_low_u16(plane[0]), vget_low_u16(plane[1]), target);
            sb_put_sums(run, vget_high_u16(plane[0]), vget_high_u16(plane[1]), target + 4);
        }
}

SB_INLINE void sb_bytes_of_one(int registers, const sb_table_run *run) {
    sb_nibble_sums sums[SB_BLOCK_REGISTERS];
    const uint8_t *bytes = run->weights;
    SB_UNROLL
    for (int i = 0; i < registers; ++i)
        memset(sums[i].wide, 0, sizeof sums[i].wide);
    for (size_t cell = 0; cell < run->cells; cell += SB_CELLS_IN_FLIGHT) {
        const size_t left = run->cells - cell;
        sb_look_up_cell(registers, bytes, sb_tables_at(run, 1, cell), true, sums);
        if (left >= SB_CELLS_IN_FLIGHT) {
            SB_UNROLL
            for (size_t i = 1; i < SB_CELLS_IN_FLIGHT; ++i)
                sb_look_up_cell(registers, bytes + i * run->step, sb_tables_at(run, 1, cell + i),
                                false, sums);
        } else {
            for (size_t i = 1; i < left; ++i)
                sb_look_up_cell(registers, bytes + i * run->step, sb_tables_at(run, 1, cell + i),
                                false, sums);
        }
        bytes += SB_CELLS_IN_FLIGHT * run->step;
        SB_UNROLL
        for (int i = 0; i < registers; ++i) {
            sb_widen_plane(sums[i].low, sums[i].wide[0]);
            sb_widen_plane(sums[i].high, sums[i].wide[1]);
        }
    }
    for (int i = 0; i < registers; i += 2)
        sb_put_bytes(run, sums + i, run->sums[0] + i / 2 * SB_VECTOR);
}

static void sb_look_up_one(const sb_table_run *run) {
    if (run->vectors == SB_BLOCK_VECTORS)
        sb_bytes_of_one(SB_BLOCK_REGISTERS, run);
    else
        sb_bytes_of_one(2, run);
}

#endif
