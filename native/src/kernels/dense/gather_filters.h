/* 4 filters of 16 pixels from rows with filters in the lanes to vectors with pixels in the lanes,
 * by AVX2: for kernels whose sums lie in the order of the filters. */
#ifndef SB_KERNELS_GATHER_FILTERS_H
#define SB_KERNELS_GATHER_FILTERS_H

#include <immintrin.h>

#define SB_GATHERS_FILTERS 1
_Static_assert(SB_LANES == 16, "two 32-byte vectors hold the sums of the lanes");

/* [lane][stride] of 4 filters into the vectors of lanes of each: rows of 4 filters of the lanes
 * that will lie beside one another in memory order 0 2 4 6 | 8 10 12 14 are transposed. */
SB_INLINE void sb_gather_half(const int32_t *sums, size_t stride, int part, sb_sums *lanes) {
    __m256i row[4];
    SB_UNROLL
    for (int i = 0; i < 4; ++i) {
        const int32_t *low = sums + (size_t)(2 * i + part) * stride;
        row[i] = _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_load_si128((const __m128i *)(const void *)low)),
            _mm_load_si128((const __m128i *)(const void *)(low + 8 * stride)), 1);
    }
    const __m256i a = _mm256_unpacklo_epi32(row[0], row[1]);
    const __m256i b = _mm256_unpackhi_epi32(row[0], row[1]);
    const __m256i c = _mm256_unpacklo_epi32(row[2], row[3]);
    const __m256i d = _mm256_unpackhi_epi32(row[2], row[3]);
    lanes[0].part[part] = (sb_whole)_mm256_unpacklo_epi64(a, c);
    lanes[1].part[part] = (sb_whole)_mm256_unpackhi_epi64(a, c);
    lanes[2].part[part] = (sb_whole)_mm256_unpacklo_epi64(b, d);
    lanes[3].part[part] = (sb_whole)_mm256_unpackhi_epi64(b, d);
}

/* sums: of a vector of filters, [lane][stride]. lanes: of 4 of them, from `filter`. */
SB_INLINE void sb_gather_filters(const int32_t *sums, size_t stride, size_t filter,
                                 sb_sums *lanes) {
    sb_gather_half(sums + filter, stride, 0, lanes);
    sb_gather_half(sums + filter, stride, 1, lanes);
}

#endif
