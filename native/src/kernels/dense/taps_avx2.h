/* Taps of depthwise_codes.h by AVX2: codes of two taps lie beside each other, so that one
 * instruction multiplies both, adds the products and widens the sum. */
#ifndef SB_KERNELS_TAPS_AVX2_H
#define SB_KERNELS_TAPS_AVX2_H

#include <immintrin.h>

/* sums += pairs of codes by pairs of weights. */
SB_INLINE __m256i sb_multiply_taps(__m256i sums, __m256i codes, __m256i weights) {
#ifdef __AVX512VNNI__
    return _mm256_dpwssd_epi32(sums, codes, weights);
#else
    return _mm256_add_epi32(sums, _mm256_madd_epi16(codes, weights));
#endif
}

/* Two weights as 16-bit numbers, again and again. */
SB_INLINE __m256i sb_same_pair(const int8_t *weights) {
    int16_t both;
    memcpy(&both, weights, sizeof both);
    return _mm256_cvtepi8_epi16(_mm_set1_epi16(both));
}

/* sums += taps of one channel. weights: of the filter's first tap; windows: at the channel. */
SB_INLINE void sb_add_taps(const sb_taps *taps, const int8_t *weights,
                           const sb_element *const *windows, sb_sums *sums) {
    __m256i low[SB_VECTORS], high[SB_VECTORS];
    weights += taps->first;
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        low[v] = high[v] = _mm256_setzero_si256();
    for (int32_t i = 0; i < taps->count; i += 2) {
        const __m256i weight = sb_same_pair(weights + i);
        const size_t here = taps->offsets[i], next = taps->offsets[i + 1];
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v) {
            const __m256i first = (__m256i)SB_LOAD(windows[v] + here);
            const __m256i second = (__m256i)SB_LOAD(windows[v] + next);
            low[v] = sb_multiply_taps(low[v], _mm256_unpacklo_epi16(first, second), weight);
            high[v] = sb_multiply_taps(high[v], _mm256_unpackhi_epi16(first, second), weight);
        }
    }
    /* low: lanes 0-3 and 8-11, high: the others; sums: even ones, odd ones. */
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v) {
        const __m256 a = _mm256_castsi256_ps(low[v]), b = _mm256_castsi256_ps(high[v]);
        sums[v].part[0] += (sb_whole)_mm256_shuffle_ps(a, b, 0x88);
        sums[v].part[1] += (sb_whole)_mm256_shuffle_ps(a, b, 0xdd);
    }
}

#endif
