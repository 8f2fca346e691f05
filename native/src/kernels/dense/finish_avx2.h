/* finish_filters.h for AVX2: 16 filters are two vectors of sums, whose codes are packed into one.
 *
 * Packing works on halves of 16 bytes, and so do the unpackings that turn rows into columns; so the
 * filters of a packed row lie in the order 0-3, 8-11 | 4-7, 12-15. Rows 0-7 and 8-15 are turned
 * each by itself, three rounds of unpacking, which leaves 8 pixels of filter i in the low half and
 * of filter i + 4 in the high half of vector i, and the halves of both parts are then exchanged:
 *
 *   rows 0-7, turned    | filter 0, pixels 0-7  | filter 4, pixels 0-7  |
 *   rows 8-15, turned   | filter 0, pixels 8-15 | filter 4, pixels 8-15 |
 *   filter 0            | pixels 0-7            | pixels 8-15           |   low halves
 *   filter 4            | pixels 0-7            | pixels 8-15           |   high halves */
#ifndef SB_KERNELS_FINISH_AVX2_H
#define SB_KERNELS_FINISH_AVX2_H

#include "../lane/finish_codes.h"

enum { SB_CHAIN_FILTERS = 16 };

typedef struct sb_filter_chain {
    __m256i shift[2], zero;
    __m256 scale[2], bias[2], low, high;
} sb_filter_chain;

SB_INLINE sb_filter_chain sb_load_chain(const sb_layer *layer, size_t channel, int32_t count) {
    const sb_requantize *requantize = &layer->epilogue.requantize;
    sb_filter_chain chain = {
        .zero = _mm256_set1_epi32(requantize->output_zero),
        .low = _mm256_set1_ps((float)-requantize->output_zero),
        .high = _mm256_set1_ps((float)(requantize->output_top - requantize->output_zero))};
    for (int i = 0; i < 2; ++i, channel += 8, count -= 8) {
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lane);
        chain.shift[i] = _mm256_maskload_epi32((const int *)layer->sums.shift + channel, mask);
        chain.scale[i] = _mm256_maskload_ps(layer->epilogue.scale + channel, mask);
        chain.bias[i] = _mm256_maskload_ps(layer->epilogue.bias + channel, mask);
    }
    return chain;
}

SB_INLINE __m256i sb_chain_half(const sb_filter_chain *chain, const int32_t *sums, int half) {
    const __m256i sum = _mm256_load_si256((const __m256i *)(const void *)(sums + 8 * half));
    const __m256i exact = _mm256_add_epi32(sum, chain->shift[half]);
    __m256 f = _mm256_mul_ps(_mm256_cvtepi32_ps(exact), chain->scale[half]);
    f = _mm256_add_ps(f, chain->bias[half]);
    f = _mm256_min_ps(_mm256_max_ps(f, chain->low), chain->high);
    return _mm256_add_epi32(_mm256_cvtps_epi32(f), chain->zero);
}

SB_INLINE sb_vector sb_chain_codes(const sb_filter_chain *chain, const int32_t *sums) {
    return (sb_vector)_mm256_packus_epi32(sb_chain_half(chain, sums, 0),
                                          sb_chain_half(chain, sums, 1));
}

/* One round: numbers, pairs or fours of numbers of the rows 2 i and 2 i + 1. */
#define SB_TURN(unpack, from, to)                                                                  \
    SB_UNROLL                                                                                      \
    for (int i = 0; i < 4; ++i) {                                                                  \
        (to)[i] = _mm256_unpacklo_##unpack((from)[2 * i], (from)[2 * i + 1]);                      \
        (to)[4 + i] = _mm256_unpackhi_##unpack((from)[2 * i], (from)[2 * i + 1]);                  \
    }

/* 8 rows into 8 vectors of columns, halves apart. */
SB_INLINE void sb_turn_rows(const sb_vector *codes, __m256i *columns) {
    __m256i rows[8], turned[8];
    for (int i = 0; i < 8; ++i)
        rows[i] = (__m256i)codes[i];
    SB_TURN(epi16, rows, turned)
    SB_TURN(epi32, turned, rows)
    SB_TURN(epi64, rows, columns)
}

SB_INLINE void sb_turn_codes(sb_vector *codes) {
    /* Column c of the rounds above holds number NUMBER[c] of every half of a row. */
    static const int NUMBER[8] = {0, 4, 2, 6, 1, 5, 3, 7};
    __m256i first[8], second[8];
    sb_turn_rows(codes, first);
    sb_turn_rows(codes + 8, second);
    SB_UNROLL
    for (int c = 0; c < 8; ++c) {
        const int number = NUMBER[c], filter = number < 4 ? number : number + 4;
        codes[filter] = (sb_vector)_mm256_permute2x128_si256(first[c], second[c], 0x20);
        codes[filter + 4] = (sb_vector)_mm256_permute2x128_si256(first[c], second[c], 0x31);
    }
}

#endif
