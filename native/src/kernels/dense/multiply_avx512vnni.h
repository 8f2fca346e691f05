/* Products by vpdpbusd: 4 products of a code and an integer go into an int32 sum at once, without
 * the 16-bit sums of multiply_avx2.h, so steps need no partner. 32 registers of 64 bytes:
 *   6 pixels x 4 vectors of 16 filters = 24 sums, 4 vectors of weights, 1 of a pixel's bytes
 * Only the sums are that wide: lanes of pixels stay those of the kernels they hand over to. */
#ifndef SB_KERNELS_MULTIPLY_AVX512VNNI_H
#define SB_KERNELS_MULTIPLY_AVX512VNNI_H

#include "../lane/lane_vector.h"
#include "product_format.h"

#define SB_SUM_LANES SB_SUM_LANES_AVX512VNNI
#define SB_PIECE SB_PIECE_AVX512VNNI
#define SB_STEP_BYTES SB_STEP_AVX512VNNI
#define SB_TAIL_PIXELS 4
enum { SB_CHUNK_STEPS = 1024 };

#if !defined(__AVX512VNNI__) || defined(SB_PLAIN_C)
#include "multiply_plain.h"
#else
#include "gather_filters.h"

#define SB_ORDERED_SUMS 1
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

/* Where the sum of a filter lies in a vector of sums. */
SB_INLINE size_t sb_filter_position(size_t filter) {
    return filter;
}

#endif
#endif
