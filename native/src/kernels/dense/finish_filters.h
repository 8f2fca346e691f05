/* The plain chain, from sums to codes, while filters are still in the lanes: scale and bias are
 * vectors, and 16-bit codes are transposed, not 32-bit sums. One float32 operation after the other,
 * as in lane/finish_codes.h, so the codes are the same. For AVX-512. */
#ifndef SB_KERNELS_FINISH_FILTERS_H
#define SB_KERNELS_FINISH_FILTERS_H

#include "../lane/finish_codes.h"
#include "../lane/transpose.h"
#include "products.h"

#define SB_FINISHES_FILTERS 1

/* Nothing but scale, bias and rounding, and a ReLU that the clamp contains; and filters enough to
 * be worth a transposition. */
SB_INLINE bool sb_has_plain_chain(const sb_layer *layer, const sb_product_block *block,
                                  const sb_tile *tile) {
    const sb_epilogue *epilogue = &layer->epilogue;
    return block->filters > SB_SUM_LANES / 2 && !epilogue->offset && !epilogue->post_bias &&
           !epilogue->requantize.floats && !tile->residual[0] && !sb_activation_shows(epilogue);
}

/* 16 filters of a layer, those of `mask`. */
typedef struct sb_filter_chain {
    __m512i flip, shift, zero;
    __m512 scale, bias, low, high;
} sb_filter_chain;

SB_INLINE sb_filter_chain sb_load_chain(const sb_layer *layer, size_t channel, __mmask16 mask) {
    const sb_requantize *requantize = &layer->epilogue.requantize;
    const sb_filter_chain chain = {
        .flip = _mm512_maskz_loadu_epi32(mask, layer->sums.flip + channel),
        .shift = _mm512_maskz_loadu_epi32(mask, layer->sums.shift + channel),
        .zero = _mm512_set1_epi32(requantize->output_zero),
        .scale = _mm512_maskz_loadu_ps(mask, layer->epilogue.scale + channel),
        .bias = _mm512_maskz_loadu_ps(mask, layer->epilogue.bias + channel),
        .low = _mm512_set1_ps((float)-requantize->output_zero),
        .high = _mm512_set1_ps((float)(requantize->output_top - requantize->output_zero))};
    return chain;
}

SB_INLINE sb_vector sb_chain_codes(const sb_filter_chain *chain, const int32_t *sums) {
    const __m512i exact =
        _mm512_add_epi32(_mm512_xor_si512(_mm512_load_si512(sums), chain->flip), chain->shift);
    __m512 f = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(exact), chain->scale), chain->bias);
    f = _mm512_min_ps(_mm512_max_ps(f, chain->low), chain->high);
    return (sb_vector)_mm512_cvtepi32_epi16(_mm512_add_epi32(_mm512_cvtps_epi32(f), chain->zero));
}

/* Codes of all filters of a block at one position. sums: [lane][SB_SUM_STRIDE]; output: of the
 * block's first filter; channel: its number in the layer. */
SB_INLINE void sb_finish_filters(const sb_layer *layer, const sb_product_block *block,
                                 size_t channel, const int32_t *sums, sb_element *output) {
    for (int32_t f = 0; f < block->filters; f += SB_SUM_LANES) {
        const int32_t left = block->filters - f;
        const int32_t count = left < SB_SUM_LANES ? left : SB_SUM_LANES;
        const __mmask16 mask = (__mmask16)((1u << count) - 1);
        const sb_filter_chain chain = sb_load_chain(layer, channel + (size_t)f, mask);
        sb_vector codes[SB_LANES];
        SB_UNROLL
        for (int lane = 0; lane < SB_LANES; ++lane)
            codes[lane] = sb_chain_codes(&chain, sums + lane * SB_SUM_STRIDE + f);
        sb_transpose(codes);
        for (int32_t i = 0; i < count; ++i)
            SB_STORE(output + (f + i) * SB_LANES, codes[i]);
    }
}

#endif
