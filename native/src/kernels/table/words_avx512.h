/* Words of 16 inputs, 32 filters in a vector. vpermw looks up the sums of 5 inputs, and those of
 * the next 5 after a shift; vpermi2w those of the last 6 in two registers. All of them ignore
 * higher bits, so nothing is masked. Sums of 16 cells fit 16 bits (16 * 16 * 255 = 65280), of more
 * where few weights are set or the largest code is less (flight); then they widen: even words to
 * the first 16 filters of a vector, odd ones to the others.
 *
 * Look-ups are written as instructions: compilers move them before the loop's loads and then keep
 * what no register is left for in memory. */
#ifndef SB_KERNELS_WORDS_AVX512_H
#define SB_KERNELS_WORDS_AVX512_H

#include <immintrin.h>

static inline __m512i sb_load_words(const void *address) {
    return _mm512_loadu_si512(address);
}

/* A byte in the lower half of every word, or in the upper one (0x80: none). */
#define SB_WORD_BYTES(low, high) ((int16_t)((high) << 8 | (low)))

/* The 32 sums of 5 bytes of 16 that every part of 16 bytes has, from `first` on: entry e holds
 * input j where bit j of e is set. Two inputs are multiplied by their bits and added at once. */
static inline __m512i sb_sums_of_five(__m512i inputs, int first) {
    const __m512i entry =
        _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13,
                         12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i lowest = _mm512_set1_epi16(1), highest = _mm512_set1_epi16(256);
    const __m512i one = _mm512_or_si512(_mm512_and_si512(entry, lowest),
                                        _mm512_and_si512(_mm512_slli_epi16(entry, 7), highest));
    const __m512i two = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(entry, 2), lowest),
                                        _mm512_and_si512(_mm512_slli_epi16(entry, 5), highest));
    const __m512i a =
        _mm512_shuffle_epi8(inputs, _mm512_set1_epi16(SB_WORD_BYTES(first, first + 1)));
    const __m512i b =
        _mm512_shuffle_epi8(inputs, _mm512_set1_epi16(SB_WORD_BYTES(first + 2, first + 3)));
    const __m512i c = _mm512_maskz_shuffle_epi8(UINT64_MAX << 32, inputs,
                                                _mm512_set1_epi16(SB_WORD_BYTES(first + 4, 0x80)));
    return _mm512_add_epi16(
        _mm512_add_epi16(_mm512_maddubs_epi16(a, one), _mm512_maddubs_epi16(b, two)), c);
}

static inline void sb_make_tables(const sb_table_input *codes, size_t count, uint8_t *tables) {
    const __mmask16 there = (__mmask16)((1u << count) - 1);
#ifdef SB_TABLE_PIXELS
    const __m128i bytes = _mm_maskz_loadu_epi8(there, codes);
#else
    const __m128i bytes = _mm256_cvtepi16_epi8(_mm256_maskz_loadu_epi16(there, codes));
#endif
    const __m512i inputs = _mm512_broadcast_i32x4(bytes), last = sb_sums_of_five(inputs, 10);
    const __m512i sixth = _mm512_shuffle_epi8(inputs, _mm512_set1_epi16(SB_WORD_BYTES(15, 0x80)));
    _mm512_storeu_si512(tables, sb_sums_of_five(inputs, 0));
    _mm512_storeu_si512(tables + 64, sb_sums_of_five(inputs, 5));
    _mm512_storeu_si512(tables + 128, last);
    _mm512_storeu_si512(tables + 192, _mm512_add_epi16(last, sixth));
}

/* Puts the even or odd words of `all`, times 1 or -1, to 16 sums. */
static inline void sb_put_words(const sb_table_run *run, int32_t *sums, __m512i wide) {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i old = run->opens ? zero : _mm512_loadu_si512(sums);
    _mm512_storeu_si512(sums,
                        run->minus ? _mm512_sub_epi32(old, wide) : _mm512_add_epi32(old, wide));
}

static inline __m512i sb_even_words(__m512i all) {
    return _mm512_and_si512(all, _mm512_set1_epi32(0xffff));
}

/* One image and some vectors of a block, from `first` on; their sums stay in registers. */
SB_INLINE void sb_words_of_one(int vectors, const sb_table_run *run, size_t first) {
    __m512i sums[2 * SB_BLOCK_VECTORS];
    const uint8_t *words = run->weights + first * 64;
    for (int v = 0; v < 2 * vectors; ++v)
        sums[v] = _mm512_setzero_si512();
    for (size_t cell = 0; cell < run->cells;) {
        const size_t left = run->cells - cell;
        const size_t end = cell + (left < run->flight ? left : run->flight);
        __m512i all[SB_BLOCK_VECTORS];
        for (int v = 0; v < vectors; ++v)
            all[v] = _mm512_setzero_si512();
        for (; cell < end; ++cell, words += run->step) {
            const uint8_t *tables = sb_tables_at(run, 1, cell);
            const __m512i t0 = sb_load_words(tables), t1 = sb_load_words(tables + 64);
            const __m512i t2 = sb_load_words(tables + 128), t3 = sb_load_words(tables + 192);
            SB_UNROLL
            for (int v = 0; v < vectors; ++v) {
                __m512i a = sb_load_words(words + v * 64), b, c;
                __asm__ volatile("vpsrlw $5, %0, %1\n\t"
                                 "vpsrlw $10, %0, %2\n\t"
                                 "vpermw %4, %0, %0\n\t"
                                 "vpermw %5, %1, %1\n\t"
                                 "vpermi2w %7, %6, %2\n\t"
                                 "vpaddw %0, %3, %3\n\t"
                                 "vpaddw %1, %3, %3\n\t"
                                 "vpaddw %2, %3, %3"
                                 : "+v"(a), "=&v"(b), "=&v"(c), "+v"(all[v])
                                 : "v"(t0), "v"(t1), "v"(t2), "v"(t3));
            }
        }
        for (int v = 0; v < vectors; ++v) {
            sums[2 * v] = _mm512_add_epi32(sums[2 * v], sb_even_words(all[v]));
            sums[2 * v + 1] = _mm512_add_epi32(sums[2 * v + 1], _mm512_srli_epi32(all[v], 16));
        }
    }
    for (int v = 0; v < 2 * vectors; ++v)
        sb_put_words(run, run->sums[0] + first * SB_VECTOR + v * 16, sums[v]);
}

/* Two images: words are loaded and shifted once for both; their sums are in memory between the
 * cells in flight. */
SB_INLINE void sb_words_of_two(int vectors, const sb_table_run *run, size_t first) {
    const uint8_t *words = run->weights + first * 64;
    const size_t second = run->second;
    sb_table_run part = *run;
    for (size_t cell = 0; cell < run->cells; part.opens = false) {
        const size_t left = run->cells - cell;
        const size_t end = cell + (left < run->flight ? left : run->flight);
        __m512i one[SB_BLOCK_VECTORS / 2], two[SB_BLOCK_VECTORS / 2];
        for (int v = 0; v < vectors; ++v)
            one[v] = two[v] = _mm512_setzero_si512();
        for (; cell < end; ++cell, words += run->step) {
            const uint8_t *tables = sb_tables_at(run, 2, cell), *others = tables + second;
            const __m512i t0 = sb_load_words(tables), t1 = sb_load_words(tables + 64);
            const __m512i t2 = sb_load_words(tables + 128), t3 = sb_load_words(tables + 192);
            const __m512i u0 = sb_load_words(others), u1 = sb_load_words(others + 64);
            const __m512i u2 = sb_load_words(others + 128), u3 = sb_load_words(others + 192);
            SB_UNROLL
            for (int v = 0; v < vectors; ++v) {
                __m512i a = sb_load_words(words + v * 64), b, c, d, e;
                __asm__ volatile(
                    "vpsrlw $5, %0, %1\n\t"
                    "vpsrlw $10, %0, %2\n\t"
                    "vpermw %7, %0, %3\n\t"
                    "vpermw %11, %0, %0\n\t"
                    "vpaddw %3, %5, %5\n\t"
                    "vmovdqa64 %2, %4\n\t"
                    "vpermw %8, %1, %3\n\t"
                    "vpaddw %0, %6, %6\n\t"
                    "vpermw %12, %1, %1\n\t"
                    "vpaddw %3, %5, %5\n\t"
                    "vpermi2w %10, %9, %2\n\t"
                    "vpaddw %1, %6, %6\n\t"
                    "vpermi2w %14, %13, %4\n\t"
                    "vpaddw %2, %5, %5\n\t"
                    "vpaddw %4, %6, %6"
                    : "+v"(a), "=&v"(b), "=&v"(c), "=&v"(d), "=&v"(e), "+v"(one[v]), "+v"(two[v])
                    : "v"(t0), "v"(t1), "v"(t2), "v"(t3), "v"(u0), "v"(u1), "v"(u2), "v"(u3));
            }
        }
        for (int v = 0; v < vectors; ++v) {
            int32_t *sums = run->sums[0] + (first + (size_t)v) * SB_VECTOR;
            int32_t *others = run->sums[1] + (first + (size_t)v) * SB_VECTOR;
            sb_put_words(&part, sums, sb_even_words(one[v]));
            sb_put_words(&part, sums + 16, _mm512_srli_epi32(one[v], 16));
            sb_put_words(&part, others, sb_even_words(two[v]));
            sb_put_words(&part, others + 16, _mm512_srli_epi32(two[v], 16));
        }
    }
}

/* A block's vectors, as many at once as there are registers for, then fewer. */
static void sb_look_up_one(const sb_table_run *run) {
    const size_t fours = run->vectors / 4 * 4, twos = run->vectors / 2 * 2;
    if (run->vectors == 8) {
        sb_words_of_one(8, run, 0);
        return;
    }
    if (fours)
        sb_words_of_one(4, run, 0);
    if (twos > fours)
        sb_words_of_one(2, run, fours);
    if (run->vectors > twos)
        sb_words_of_one(1, run, twos);
}

static void sb_look_up_two(const sb_table_run *run) {
    const size_t fours = run->vectors / 4 * 4, twos = run->vectors / 2 * 2;
    for (size_t first = 0; first < fours; first += 4)
        sb_words_of_two(4, run, first);
    if (twos > fours)
        sb_words_of_two(2, run, fours);
    if (run->vectors > twos)
        sb_words_of_two(1, run, twos);
}

#endif
