/* finish_filters.h for AVX-512: 16 filters are one vector of sums.
 *
 * Codes of rows i and i + 8 are packed into one vector, which works on quarters of 16 bytes, and so
 * do the three rounds of unpacking that turn rows into columns:
 *
 *   packed i     | row i, filters 0-3, row i + 8, filters 0-3 | ... 4-7 | ... 8-11 | ... 12-15 |
 *   turned j     | filter j, pixels 0-7  | filter j + 4 ... | filter j + 8 ... | filter j + 12 |
 *   turned j + 4 | filter j, pixels 8-15 | ...
 *
 * for j from 0 to 3; the quarters of both are then put beside each other. Packing saturates, which
 * is the clamp from below. */
#ifndef SB_KERNELS_FINISH_AVX512_H
#define SB_KERNELS_FINISH_AVX512_H

#include "../lane/finish_codes.h"

#define SB_CHAIN_TURNS 1
enum { SB_CHAIN_FILTERS = 16 };

typedef struct sb_filter_chain {
    __m512i shift, zero;
    __m512 scale, bias, high;
} sb_filter_chain;

SB_INLINE sb_filter_chain sb_load_chain(const sb_layer *layer, size_t channel, int32_t count) {
    const sb_requantize *requantize = &layer->epilogue.requantize;
    const __mmask16 mask = (__mmask16)((1u << count) - 1);
    const sb_filter_chain chain = {
        .shift = _mm512_maskz_loadu_epi32(mask, layer->sums.shift + channel),
        .zero = _mm512_set1_epi32(requantize->output_zero),
        .scale = _mm512_maskz_loadu_ps(mask, layer->epilogue.scale + channel),
        .bias = _mm512_maskz_loadu_ps(mask, layer->epilogue.bias + channel),
        .high = _mm512_set1_ps((float)(requantize->output_top - requantize->output_zero))};
    return chain;
}

/* Codes at one pixel, not yet clamped from below. */
SB_INLINE __m512i sb_chain_codes(const sb_filter_chain *chain, const int32_t *sums) {
    const __m512i exact = _mm512_add_epi32(_mm512_load_si512(sums), chain->shift);
    const __m512 f =
        _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(exact), chain->scale), chain->bias);
    return _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_min_ps(chain->high, f)), chain->zero);
}

/* One round: numbers, pairs or fours of numbers of the rows 2 i and 2 i + 1. */
#define SB_TURN(unpack, from, to)                                                                  \
    SB_UNROLL                                                                                      \
    for (int i = 0; i < 4; ++i) {                                                                  \
        (to)[i] = _mm512_unpacklo_##unpack((from)[2 * i], (from)[2 * i + 1]);                      \
        (to)[4 + i] = _mm512_unpackhi_##unpack((from)[2 * i], (from)[2 * i + 1]);                  \
    }

/* 8 packed vectors, with the codes of 4 filters at 16 pixels in each quarter, into 16 filters. */
SB_INLINE void sb_turn_packed(__m512i *packed, sb_vector *codes) {
    /* Columns 2 p and 2 p + 1 of the rounds above hold filter FILTER[p] of every four. */
    static const int FILTER[4] = {0, 2, 1, 3};
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i last = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    __m512i turned[8];
    SB_TURN(epi16, packed, turned)
    SB_TURN(epi32, turned, packed)
    SB_TURN(epi64, packed, turned)
    SB_UNROLL
    for (int p = 0; p < 4; ++p) {
        const __m512i near = _mm512_permutex2var_epi64(turned[2 * p], first, turned[2 * p + 1]);
        const __m512i far = _mm512_permutex2var_epi64(turned[2 * p], last, turned[2 * p + 1]);
        codes[FILTER[p]] = (sb_vector)_mm512_castsi512_si256(near);
        codes[FILTER[p] + 4] = (sb_vector)_mm512_extracti64x4_epi64(near, 1);
        codes[FILTER[p] + 8] = (sb_vector)_mm512_castsi512_si256(far);
        codes[FILTER[p] + 12] = (sb_vector)_mm512_extracti64x4_epi64(far, 1);
    }
}

/* The codes of 16 filters at one position. sums: [lane][stride]. */
SB_INLINE void sb_chain_position(const sb_filter_chain *chain, const int32_t *sums, size_t stride,
                                 sb_vector *codes) {
    __m512i packed[8];
    SB_UNROLL
    for (int i = 0; i < 8; ++i)
        packed[i] = _mm512_packus_epi32(sb_chain_codes(chain, sums + (size_t)i * stride),
                                        sb_chain_codes(chain, sums + (size_t)(i + 8) * stride));
    sb_turn_packed(packed, codes);
}

#endif
