/* Products by vpdpbusd: 4 products of a code and an integer added to an int32 sum at once. */
#ifndef SB_KERNELS_MULTIPLY_AVX512VNNI_H
#define SB_KERNELS_MULTIPLY_AVX512VNNI_H

#include "../lane/lane_vector.h"
#include "product_format.h"

#define SB_BLOCK_VECTORS 4
enum { SB_SUM_LANES = SB_SUM_LANES_AVX512, SB_TILE_PIXELS = 7, SB_CHUNK_STEPS = 1024 };

#if !defined(__AVX512VNNI__) || defined(SB_PLAIN_C)
#include "multiply_plain.h"
#else
#include <immintrin.h>

#define SB_GATHERS_FILTERS 1
enum { SB_WEIGHT_BYTES = 64 };

typedef __m512i sb_filter_sums;
typedef __m512i sb_filter_weights;

SB_INLINE sb_filter_sums sb_no_filter_sums(void) {
    return _mm512_setzero_si512();
}

SB_INLINE sb_filter_sums sb_load_filter_sums(const int32_t *address) {
    return _mm512_load_si512(address);
}

SB_INLINE void sb_store_filter_sums(int32_t *address, sb_filter_sums sums) {
    _mm512_store_si512(address, sums);
}

SB_INLINE sb_filter_weights sb_load_filter_weights(const int8_t *address) {
    return _mm512_load_si512(address);
}

/* weights: [step][vectors]. */
SB_INLINE void sb_multiply_step(int vectors, const uint8_t *bytes, const sb_filter_weights *weights,
                                sb_filter_sums *sums) {
    int32_t four;
    memcpy(&four, bytes, sizeof four);
    const __m512i x = _mm512_set1_epi32(four);
    SB_UNROLL
    for (int v = 0; v < vectors; ++v)
        sums[v] = _mm512_dpbusd_epi32(sums[v], x, weights[v]);
}

SB_INLINE void sb_multiply_pair(int vectors, const uint8_t *first, const uint8_t *second,
                                const sb_filter_weights *weights, sb_filter_sums *sums) {
    sb_multiply_step(vectors, first, weights, sums);
    sb_multiply_step(vectors, second, weights + vectors, sums);
}

/* As in multiply_avx2.h, with 4 lanes in each row: 0 2 4 6 | 8 10 12 14 | 16 ... | 24 ... */
SB_INLINE void sb_gather_half(const int32_t *sums, size_t stride, int part, sb_sums *lanes) {
    __m512i row[4];
    SB_UNROLL
    for (int i = 0; i < 4; ++i) {
        const int32_t *low = sums + (size_t)(2 * i + part) * stride;
        row[i] = _mm512_castsi128_si512(_mm_load_si128((const __m128i *)(const void *)low));
        row[i] = _mm512_inserti32x4(
            row[i], _mm_load_si128((const __m128i *)(const void *)(low + 8 * stride)), 1);
        row[i] = _mm512_inserti32x4(
            row[i], _mm_load_si128((const __m128i *)(const void *)(low + 16 * stride)), 2);
        row[i] = _mm512_inserti32x4(
            row[i], _mm_load_si128((const __m128i *)(const void *)(low + 24 * stride)), 3);
    }
    const __m512i a = _mm512_unpacklo_epi32(row[0], row[1]);
    const __m512i b = _mm512_unpackhi_epi32(row[0], row[1]);
    const __m512i c = _mm512_unpacklo_epi32(row[2], row[3]);
    const __m512i d = _mm512_unpackhi_epi32(row[2], row[3]);
    lanes[0].part[part] = (sb_whole)_mm512_unpacklo_epi64(a, c);
    lanes[1].part[part] = (sb_whole)_mm512_unpackhi_epi64(a, c);
    lanes[2].part[part] = (sb_whole)_mm512_unpacklo_epi64(b, d);
    lanes[3].part[part] = (sb_whole)_mm512_unpackhi_epi64(b, d);
}

SB_INLINE void sb_gather_filters(const int32_t *sums, size_t stride, size_t filter,
                                 sb_sums *lanes) {
    sb_gather_half(sums + filter, stride, 0, lanes);
    sb_gather_half(sums + filter, stride, 1, lanes);
}

SB_INLINE size_t sb_filter_position(size_t filter) {
    return filter;
}

#endif
#endif
