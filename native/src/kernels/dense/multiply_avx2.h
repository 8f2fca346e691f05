/* Products by vpmaddubsw: two products of a code of at most 255 and an integer of at most 63 fit
 * 16 bits, so nothing saturates. Steps that come in pairs add in 16 bits before they widen, which
 * saves a quarter of the multiplier's work:
 *   two steps, one by one   2 x (maddubs, madd by 1, add)
 *   a pair                  2 x maddubs, add, madd by 1, add */
#ifndef SB_KERNELS_MULTIPLY_AVX2_H
#define SB_KERNELS_MULTIPLY_AVX2_H

#include "../lane/lane_vector.h"
#include "product_format.h"

#define SB_SUM_LANES SB_SUM_LANES_AVX2
#define SB_PIECE SB_PIECE_AVX2
#define SB_STEP_BYTES SB_STEP_AVX2
enum { SB_CHUNK_STEPS = 256 };

#if !defined(__AVX2__) || defined(SB_PLAIN_C)
#include "multiply_plain.h"
#else
#include "gather_filters.h"

enum { SB_WEIGHT_BYTES = 32 };

typedef __m256i sb_filter_sums;
typedef __m256i sb_filter_weights;

SB_INLINE sb_filter_sums sb_no_filter_sums(void) {
    return _mm256_setzero_si256();
}

SB_INLINE sb_filter_sums sb_load_filter_sums(const int32_t *address) {
    return _mm256_load_si256((const __m256i *)(const void *)address);
}

SB_INLINE void sb_store_filter_sums(int32_t *address, sb_filter_sums sums) {
    _mm256_store_si256((__m256i *)(void *)address, sums);
}

SB_INLINE sb_filter_weights sb_load_filter_weights(const int8_t *address) {
    return _mm256_load_si256((const __m256i *)(const void *)address);
}

SB_INLINE __m256i sb_broadcast_bytes(const uint8_t *bytes) {
    int32_t four;
    memcpy(&four, bytes, sizeof four);
    return _mm256_set1_epi32(four);
}

/* weights: [step][vectors]. */
SB_INLINE void sb_multiply_step(int vectors, const uint8_t *bytes, const sb_filter_weights *weights,
                                sb_filter_sums *sums) {
    const __m256i x = sb_broadcast_bytes(bytes), one = _mm256_set1_epi16(1);
    SB_UNROLL
    for (int v = 0; v < vectors; ++v)
        sums[v] =
            _mm256_add_epi32(sums[v], _mm256_madd_epi16(_mm256_maddubs_epi16(x, weights[v]), one));
}

SB_INLINE void sb_multiply_pair(int vectors, const uint8_t *first, const uint8_t *second,
                                const sb_filter_weights *weights, sb_filter_sums *sums) {
    const __m256i x = sb_broadcast_bytes(first), y = sb_broadcast_bytes(second);
    const __m256i one = _mm256_set1_epi16(1);
    SB_UNROLL
    for (int v = 0; v < vectors; ++v) {
        const __m256i both = _mm256_add_epi16(_mm256_maddubs_epi16(x, weights[v]),
                                              _mm256_maddubs_epi16(y, weights[vectors + v]));
        sums[v] = _mm256_add_epi32(sums[v], _mm256_madd_epi16(both, one));
    }
}

/* Where the sum of a filter lies in a vector of sums. */
SB_INLINE size_t sb_filter_position(size_t filter) {
    return filter;
}

#endif
#endif
