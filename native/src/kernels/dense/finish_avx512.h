/* finish_filters.h for AVX-512. */
#ifndef SB_KERNELS_FINISH_AVX512_H
#define SB_KERNELS_FINISH_AVX512_H

#include "../lane/finish_codes.h"
#include "../lane/transpose.h"

enum { SB_CHAIN_FILTERS = 16 };

typedef struct sb_filter_chain {
    __m512i shift, zero;
    __m512 scale, bias, low, high;
} sb_filter_chain;

SB_INLINE sb_filter_chain sb_load_chain(const sb_layer *layer, size_t channel, int32_t count) {
    const sb_requantize *requantize = &layer->epilogue.requantize;
    const __mmask16 mask = (__mmask16)((1u << count) - 1);
    const sb_filter_chain chain = {
        .shift = _mm512_maskz_loadu_epi32(mask, layer->sums.shift + channel),
        .zero = _mm512_set1_epi32(requantize->output_zero),
        .scale = _mm512_maskz_loadu_ps(mask, layer->epilogue.scale + channel),
        .bias = _mm512_maskz_loadu_ps(mask, layer->epilogue.bias + channel),
        .low = _mm512_set1_ps((float)-requantize->output_zero),
        .high = _mm512_set1_ps((float)(requantize->output_top - requantize->output_zero))};
    return chain;
}

SB_INLINE sb_vector sb_chain_codes(const sb_filter_chain *chain, const int32_t *sums) {
    const __m512i exact = _mm512_add_epi32(_mm512_load_si512(sums), chain->shift);
    __m512 f = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(exact), chain->scale), chain->bias);
    f = _mm512_min_ps(_mm512_max_ps(f, chain->low), chain->high);
    return (sb_vector)_mm512_cvtepi32_epi16(_mm512_add_epi32(_mm512_cvtps_epi32(f), chain->zero));
}

SB_INLINE void sb_turn_codes(sb_vector *codes) {
    sb_transpose(codes);
}

#endif
