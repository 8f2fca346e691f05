/* sum_i 2^i popcount(A_i & U) for SB_FILTERS filters over the words of one window: bit-serial
 * products of unsigned codes and bitmaps {0,1}.
 * Source: Cowan et al. (CGO 2020); Fromm et al., Riptide (MLSys 2020). */
#ifndef SB_KERNELS_BITSERIAL_DOT_H
#define SB_KERNELS_BITSERIAL_DOT_H

#include "../tally.h"
#include "planes.h"

/* The window's taps: `count` runs of `words` words; run t of the activations is taps[t] words of 64
 * bytes from the first. A filter's bitmap is [run][word]. */
typedef struct sb_window_words {
    const size_t *taps;
    size_t count, words;
} sb_window_words;

#if defined(__AVX2__)
#include <immintrin.h>

/* Ones in every byte. */
static inline __m256i sb_byte_ones(__m256i x) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                           2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    return _mm256_add_epi8(
        _mm256_shuffle_epi8(table, _mm256_and_si256(x, low)),
        _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), low)));
}

/* counts: ones per plane, times 2^plane, summed. */
static inline uint32_t sb_weigh_planes(__m256i low, __m256i high) {
    const __m256i weighed =
        _mm256_add_epi64(_mm256_sllv_epi64(low, _mm256_setr_epi64x(0, 1, 2, 3)),
                         _mm256_sllv_epi64(high, _mm256_setr_epi64x(4, 5, 6, 7)));
    const __m128i half =
        _mm_add_epi64(_mm256_castsi256_si128(weighed), _mm256_extracti128_si256(weighed, 1));
    return (uint32_t)(_mm_extract_epi64(half, 0) + _mm_extract_epi64(half, 1));
}

/* Bytes of ones hold the sum of at most 31 words; then they move into 64 bits. */
SB_INLINE void sb_bits_dot(const sb_window_words *window, const uint64_t *planes,
                           const uint64_t *bitmap, size_t filter_words, uint32_t *sums) {
    __m256i totals[SB_FILTERS][2], ones[SB_FILTERS][2];
    size_t fresh = 0;
    for (int f = 0; f < SB_FILTERS; ++f)
        totals[f][0] = totals[f][1] = ones[f][0] = ones[f][1] = _mm256_setzero_si256();
    for (size_t tap = 0; tap < window->count; ++tap) {
        const __m256i *words =
            (const __m256i *)(const void *)(planes + window->taps[tap] * SB_PLANES);
        for (size_t w = 0; w < window->words; ++w, ++bitmap) {
            const __m256i low = _mm256_load_si256(words + 2 * w);
            const __m256i high = _mm256_load_si256(words + 2 * w + 1);
            SB_TALLY(SB_FILTERS * SB_PLANES);
            SB_UNROLL
            for (int f = 0; f < SB_FILTERS; ++f) {
                const __m256i bits = _mm256_set1_epi64x((int64_t)bitmap[f * filter_words]);
                ones[f][0] = _mm256_add_epi8(ones[f][0], sb_byte_ones(_mm256_and_si256(low, bits)));
                ones[f][1] =
                    _mm256_add_epi8(ones[f][1], sb_byte_ones(_mm256_and_si256(high, bits)));
            }
            if (++fresh < 31 && (tap + 1 < window->count || w + 1 < window->words))
                continue;
            fresh = 0;
            for (int f = 0; f < SB_FILTERS; ++f)
                for (int h = 0; h < 2; ++h) {
                    totals[f][h] = _mm256_add_epi64(
                        totals[f][h], _mm256_sad_epu8(ones[f][h], _mm256_setzero_si256()));
                    ones[f][h] = _mm256_setzero_si256();
                }
        }
    }
    for (int f = 0; f < SB_FILTERS; ++f)
        sums[f] = sb_weigh_planes(totals[f][0], totals[f][1]);
}

#else

static inline uint64_t sb_count_ones(uint64_t x) {
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    x += x >> 8;
    x += x >> 16;
    x += x >> 32;
    return x & 0x7f;
}

SB_INLINE void sb_bits_dot(const sb_window_words *window, const uint64_t *planes,
                           const uint64_t *bitmap, size_t filter_words, uint32_t *sums) {
    uint64_t counts[SB_FILTERS][SB_PLANES] = {{0}};
    for (size_t tap = 0; tap < window->count; ++tap) {
        const uint64_t *words = planes + window->taps[tap] * SB_PLANES;
        for (size_t w = 0; w < window->words; ++w, ++bitmap) {
            SB_TALLY(SB_FILTERS * SB_PLANES);
            for (int f = 0; f < SB_FILTERS; ++f)
                for (int plane = 0; plane < SB_PLANES; ++plane)
                    counts[f][plane] +=
                        sb_count_ones(words[w * SB_PLANES + plane] & bitmap[f * filter_words]);
        }
    }
    for (int f = 0; f < SB_FILTERS; ++f) {
        sums[f] = 0;
        for (int plane = 0; plane < SB_PLANES; ++plane)
            sums[f] += (uint32_t)(counts[f][plane] << plane);
    }
}

#endif

#endif
