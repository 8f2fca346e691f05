/* Double words of 30 inputs, 16 filters in a vector: six times vpermi2ps chooses one of the 32 sums
 * of 5 inputs by the lowest 5 bits, which a shift then drops. */
#ifndef SB_KERNELS_FLOATS_AVX512_H
#define SB_KERNELS_FLOATS_AVX512_H

#include <immintrin.h>

enum { SB_TABLE_INPUTS = 5, SB_CELL_PARTS = SB_INPUTS / SB_TABLE_INPUTS };

/* Entry e holds input j where bit j of e is set. */
static inline void sb_make_tables(const float *inputs, size_t count, uint8_t *tables) {
    float padded[SB_INPUTS] = {0.0f}, *target = (float *)(void *)tables;
    memcpy(padded, inputs, count * sizeof *inputs);
    for (int part = 0; part < SB_CELL_PARTS; ++part, target += 32) {
        const float *x = padded + part * SB_TABLE_INPUTS;
        __m512 low = _mm512_maskz_mov_ps(0xaaaa, _mm512_set1_ps(x[0]));
        low = _mm512_mask_add_ps(low, 0xcccc, low, _mm512_set1_ps(x[1]));
        low = _mm512_mask_add_ps(low, 0xf0f0, low, _mm512_set1_ps(x[2]));
        low = _mm512_mask_add_ps(low, 0xff00, low, _mm512_set1_ps(x[3]));
        _mm512_storeu_ps(target, low);
        _mm512_storeu_ps(target + 16, _mm512_add_ps(low, _mm512_set1_ps(x[4])));
    }
}

/* The numbers of two registers that the lowest 5 bits of every index name, in the index's place:
 * compilers copy one of the three instead. */
static inline __m512 sb_choose(__m512i index, __m512 low, __m512 high) {
    __asm__("vpermi2ps %2, %1, %0" : "+v"(index) : "v"(low), "v"(high));
    return _mm512_castsi512_ps(index);
}

/* Some vectors of a block, from `first` on. */
SB_INLINE void sb_floats_of_one(int vectors, bool minus, const sb_table_run *run, size_t first) {
    __m512 sums[SB_BLOCK_VECTORS];
    float *kept = run->sums[0] + first * SB_VECTOR;
    const uint8_t *words = run->weights + first * SB_VECTOR * SB_BYTES;
    const uint8_t *tables = run->tables;
    for (int v = 0; v < vectors; ++v)
        sums[v] = run->opens ? _mm512_setzero_ps() : _mm512_loadu_ps(kept + v * SB_VECTOR);
    for (size_t cell = 0; cell < run->cells; ++cell, words += run->step, tables += SB_TABLE_BYTES) {
        __m512i bits[SB_BLOCK_VECTORS];
        SB_UNROLL
        for (int v = 0; v < vectors; ++v)
            bits[v] = _mm512_loadu_si512(words + v * 64);
        SB_UNROLL
        for (int part = 0; part < SB_CELL_PARTS; ++part) {
            const __m512 low = _mm512_loadu_ps(tables + part * 128);
            const __m512 high = _mm512_loadu_ps(tables + part * 128 + 64);
            SB_UNROLL
            for (int v = 0; v < vectors; ++v) {
                const __m512i rest = _mm512_srli_epi32(bits[v], SB_TABLE_INPUTS);
                const __m512 found = sb_choose(bits[v], low, high);
                bits[v] = rest;
                sums[v] = minus ? _mm512_sub_ps(sums[v], found) : _mm512_add_ps(sums[v], found);
            }
        }
    }
    for (int v = 0; v < vectors; ++v)
        _mm512_storeu_ps(kept + v * SB_VECTOR, sums[v]);
}

SB_INLINE void sb_look_up_sign(bool minus, const sb_table_run *run) {
    const size_t fours = run->vectors / 4 * 4, twos = run->vectors / 2 * 2;
    if (run->vectors == SB_BLOCK_VECTORS) {
        sb_floats_of_one(SB_BLOCK_VECTORS, minus, run, 0);
        return;
    }
    if (fours)
        sb_floats_of_one(4, minus, run, 0);
    if (twos > fours)
        sb_floats_of_one(2, minus, run, fours);
    if (run->vectors > twos)
        sb_floats_of_one(1, minus, run, twos);
}

static void sb_look_up_one(const sb_table_run *run) {
    if (run->minus)
        sb_look_up_sign(true, run);
    else
        sb_look_up_sign(false, run);
}

#endif
