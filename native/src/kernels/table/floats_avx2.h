/* Double words of 30 inputs, 8 filters in a vector: ten times vpermps chooses one of the 8 sums of
 * 3 inputs by the lowest 3 bits, which a shift then drops. */
#ifndef SB_KERNELS_FLOATS_AVX2_H
#define SB_KERNELS_FLOATS_AVX2_H

#include <immintrin.h>

enum { SB_TABLE_INPUTS = 3, SB_CELL_PARTS = SB_INPUTS / SB_TABLE_INPUTS };

/* Entry e holds input j where bit j of e is set. */
static inline void sb_make_tables(const float *inputs, size_t count, uint8_t *tables) {
    float padded[SB_INPUTS] = {0.0f}, *target = (float *)(void *)tables;
    const __m256 zero = _mm256_setzero_ps();
    memcpy(padded, inputs, count * sizeof *inputs);
    for (int part = 0; part < SB_CELL_PARTS; ++part, target += 8) {
        const float *x = padded + part * SB_TABLE_INPUTS;
        __m256 sums = _mm256_blend_ps(zero, _mm256_set1_ps(x[0]), 0xaa);
        sums = _mm256_add_ps(sums, _mm256_blend_ps(zero, _mm256_set1_ps(x[1]), 0xcc));
        sums = _mm256_add_ps(sums, _mm256_blend_ps(zero, _mm256_set1_ps(x[2]), 0xf0));
        _mm256_storeu_ps(target, sums);
    }
}

/* Some vectors of a block, from `first` on. */
SB_INLINE void sb_floats_of_one(int vectors, bool minus, const sb_table_run *run, size_t first) {
    __m256 sums[SB_BLOCK_VECTORS];
    float *kept = run->sums[0] + first * SB_VECTOR;
    const uint8_t *words = run->weights + first * SB_VECTOR * SB_BYTES;
    const uint8_t *tables = run->tables;
    for (int v = 0; v < vectors; ++v)
        sums[v] = run->opens ? _mm256_setzero_ps() : _mm256_loadu_ps(kept + v * SB_VECTOR);
    for (size_t cell = 0; cell < run->cells; ++cell, words += run->step, tables += SB_TABLE_BYTES) {
        __m256i bits[SB_BLOCK_VECTORS];
        SB_UNROLL
        for (int v = 0; v < vectors; ++v)
            bits[v] = _mm256_loadu_si256((const __m256i *)(const void *)words + v);
        SB_UNROLL
        for (int part = 0; part < SB_CELL_PARTS; ++part) {
            const __m256 table = _mm256_loadu_ps((const float *)(const void *)tables + part * 8);
            SB_UNROLL
            for (int v = 0; v < vectors; ++v) {
                const __m256 found = _mm256_permutevar8x32_ps(table, bits[v]);
                bits[v] = _mm256_srli_epi32(bits[v], SB_TABLE_INPUTS);
                sums[v] = minus ? _mm256_sub_ps(sums[v], found) : _mm256_add_ps(sums[v], found);
            }
        }
    }
    for (int v = 0; v < vectors; ++v)
        _mm256_storeu_ps(kept + v * SB_VECTOR, sums[v]);
}

SB_INLINE void sb_look_up_sign(bool minus, const sb_table_run *run) {
    const size_t twos = run->vectors / 2 * 2;
    if (run->vectors == SB_BLOCK_VECTORS) {
        sb_floats_of_one(SB_BLOCK_VECTORS, minus, run, 0);
        return;
    }
    for (size_t first = 0; first < twos; first += 2)
        sb_floats_of_one(2, minus, run, first);
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
