/* Bytes of 8 inputs, 32 filters in a vector. vpshufb looks up the sums of 4 inputs, in two planes:
 * their lower 5 bits, at most 31, and what lies above, at most 1020 / 32 < 32. So 8 look-ups of a
 * plane fit a byte, and then go into 16 bits: `all` gathers even + 256 odd bytes mod 2^16, `odd`
 * the odd ones, so that even = all - 256 odd. 8 times 31 is 248, so 16 bits last for 264 times 4
 * cells.
 *
 * The empty instructions keep compilers from moving look-ups before loads and from keeping what no
 * register is left for in memory. */
#ifndef SB_KERNELS_NIBBLES_AVX2_H
#define SB_KERNELS_NIBBLES_AVX2_H

#include <immintrin.h>

enum { SB_CELLS_IN_FLIGHT = 4 };
_Static_assert(SB_CHUNK *SB_TABLE_IMAGES <= 264 * SB_CELLS_IN_FLIGHT, "sums fit 16 bits");

#define SB_KEEP(vector) __asm__ volatile("" : "+x"(vector))

/* 16 bytes of the lower plane, then 16 of the upper one: entry e holds input j where bit j of e is
 * set. */
static inline void sb_make_table(const uint8_t *inputs, uint8_t *table) {
    const __m256i first = _mm256_set1_epi64x(0x0101010000010000);
    const __m256i second = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0,
                                            1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1);
    uint16_t low, high;
    memcpy(&low, inputs, 2);
    memcpy(&high, inputs + 2, 2);
    const __m256i sums =
        _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_set1_epi16((int16_t)low), first),
                         _mm256_maddubs_epi16(_mm256_set1_epi16((int16_t)high), second));
    const __m256i planes = _mm256_packus_epi16(_mm256_and_si256(sums, _mm256_set1_epi16(31)),
                                               _mm256_srli_epi16(sums, 5));
    _mm256_store_si256((__m256i *)(void *)table, _mm256_permute4x64_epi64(planes, 0xd8));
}

static inline void sb_make_tables(const sb_table_input *codes, size_t count, uint8_t *tables) {
#ifdef SB_TABLE_PIXELS
    uint8_t inputs[SB_INPUTS] = {0};
    memcpy(inputs, codes, count < SB_INPUTS ? count : SB_INPUTS);
#else
    uint16_t words[SB_INPUTS] = {0};
    uint8_t inputs[16];
    if (count < SB_INPUTS)
        memcpy(words, codes, count * sizeof *codes);
    const __m128i *source = (const __m128i *)(const void *)(count < SB_INPUTS ? words : codes);
    const __m128i read = _mm_loadu_si128(source);
    _mm_storeu_si128((__m128i *)(void *)inputs, _mm_packus_epi16(read, read));
#endif
    sb_make_table(inputs, tables);
    sb_make_table(inputs + 4, tables + 32);
}

static inline __m256i sb_load_table(const uint8_t *table) {
    return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(const void *)table));
}

/* A nibble of every filter's byte in both planes of a table; opens: nothing is in the sums yet. */
SB_INLINE void sb_look_up_nibbles(int vectors, const uint8_t *table, const __m256i *nibbles,
                                  bool opens, __m256i *low, __m256i *high) {
    __m256i sums = sb_load_table(table);
    SB_KEEP(sums);
    SB_UNROLL
    for (int v = 0; v < vectors; ++v) {
        const __m256i found = _mm256_shuffle_epi8(sums, nibbles[v]);
        low[v] = opens ? found : _mm256_add_epi8(low[v], found);
        SB_KEEP(low[v]);
    }
    sums = sb_load_table(table + 16);
    SB_KEEP(sums);
    SB_UNROLL
    for (int v = 0; v < vectors; ++v) {
        const __m256i found = _mm256_shuffle_epi8(sums, nibbles[v]);
        high[v] = opens ? found : _mm256_add_epi8(high[v], found);
        SB_KEEP(high[v]);
    }
}

SB_INLINE void sb_look_up_bytes(int vectors, const uint8_t *bytes, const uint8_t *tables,
                                bool opens, __m256i *low, __m256i *high) {
    const __m256i half = _mm256_set1_epi8(15);
    const __m256i *vector = (const __m256i *)(const void *)bytes;
    __m256i nibbles[SB_BLOCK_VECTORS];
    SB_UNROLL
    for (int v = 0; v < vectors; ++v) {
        nibbles[v] = _mm256_and_si256(_mm256_loadu_si256(vector + v), half);
        SB_KEEP(nibbles[v]);
    }
    sb_look_up_nibbles(vectors, tables, nibbles, opens, low, high);
    SB_UNROLL
    for (int v = 0; v < vectors; ++v) {
        nibbles[v] = _mm256_and_si256(_mm256_srli_epi16(_mm256_loadu_si256(vector + v), 4), half);
        SB_KEEP(nibbles[v]);
    }
    sb_look_up_nibbles(vectors, tables + 32, nibbles, false, low, high);
}

/* 32 filters' sums, in order. planes: all and odd of the lower plane, then of the upper one. */
static inline void sb_put_bytes(const sb_table_run *run, const __m256i *planes, int32_t *sums) {
    const __m256i words[] = {
        _mm256_sub_epi16(planes[0], _mm256_slli_epi16(planes[1], 8)), planes[1],
        _mm256_sub_epi16(planes[2], _mm256_slli_epi16(planes[3], 8)), planes[3]};
    for (int i = 0; i < 4; ++i) {
        __m256i *target = (__m256i *)(void *)sums + i;
        const __m256i low = words[i / 2], high = words[2 + i / 2];
        const __m128i lows = i % 2 ? _mm256_extracti128_si256(low, 1) : _mm256_castsi256_si128(low);
        const __m128i highs =
            i % 2 ? _mm256_extracti128_si256(high, 1) : _mm256_castsi256_si128(high);
        const __m256i wide = _mm256_add_epi32(_mm256_cvtepu16_epi32(lows),
                                              _mm256_slli_epi32(_mm256_cvtepu16_epi32(highs), 5));
        const __m256i old = run->opens ? _mm256_setzero_si256() : _mm256_loadu_si256(target);
        _mm256_storeu_si256(target,
                            run->minus ? _mm256_sub_epi32(old, wide) : _mm256_add_epi32(old, wide));
    }
}

SB_INLINE void sb_bytes_of_one(int vectors, const sb_table_run *run) {
    __m256i planes[4 * SB_BLOCK_VECTORS], low[SB_BLOCK_VECTORS], high[SB_BLOCK_VECTORS];
    const uint8_t *bytes = run->weights;
    SB_UNROLL
    for (int i = 0; i < 4 * vectors; ++i)
        planes[i] = _mm256_setzero_si256();
    for (size_t cell = 0; cell < run->cells; cell += SB_CELLS_IN_FLIGHT) {
        const size_t left = run->cells - cell;
        sb_look_up_bytes(vectors, bytes, sb_tables_at(run, 1, cell), true, low, high);
        if (left >= SB_CELLS_IN_FLIGHT) {
            SB_UNROLL
            for (size_t i = 1; i < SB_CELLS_IN_FLIGHT; ++i)
                sb_look_up_bytes(vectors, bytes + i * run->step, sb_tables_at(run, 1, cell + i),
                                 false, low, high);
        } else
            for (size_t i = 1; i < left; ++i)
                sb_look_up_bytes(vectors, bytes + i * run->step, sb_tables_at(run, 1, cell + i),
                                 false, low, high);
        bytes += SB_CELLS_IN_FLIGHT * run->step;
        SB_UNROLL
        for (int v = 0; v < vectors; ++v) {
            __m256i *sums = planes + 4 * v;
            sums[0] = _mm256_add_epi16(sums[0], low[v]);
            sums[1] = _mm256_add_epi16(sums[1], _mm256_srli_epi16(low[v], 8));
            sums[2] = _mm256_add_epi16(sums[2], high[v]);
            sums[3] = _mm256_add_epi16(sums[3], _mm256_srli_epi16(high[v], 8));
        }
    }
    for (int v = 0; v < vectors; ++v)
        sb_put_bytes(run, planes + 4 * v, run->sums[0] + v * SB_VECTOR);
}

static void sb_look_up_one(const sb_table_run *run) {
    if (run->vectors == SB_BLOCK_VECTORS)
        sb_bytes_of_one(SB_BLOCK_VECTORS, run);
    else
        sb_bytes_of_one(1, run);
}

#endif
