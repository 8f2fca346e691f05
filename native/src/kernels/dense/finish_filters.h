/* The plain chain, from sums to codes, while filters are still in the lanes: scale and bias are
 * vectors, and codes are transposed, not 32-bit sums. One float32 operation after the other,
 * as in lane/finish_codes.h, so the codes are the same. Integers have no flip, see sb_integer_sums.
 * 16 filters become a vector of codes in finish_avx2.h, finish_avx512.h or finish_neon.h:
 *   sb_filter_chain, sb_load_chain   what 16 filters need, `count` of them of the layer
 *   sb_chain_codes                   their codes at one pixel, any order
 *   sb_turn_codes                    16 such vectors into one vector of pixels per filter
 * or, where SB_CHAIN_TURNS, both of that at once:
 *   sb_chain_position                from sums to one vector of pixels per filter
 * or, where SB_CHAIN_ADDS, which adds a residual and clamps, too:
 *   sb_finish_chain                  all of that */
#ifndef SB_KERNELS_FINISH_FILTERS_H
#define SB_KERNELS_FINISH_FILTERS_H

#ifdef __AVX512F__
#include "finish_avx512.h"
#elif defined(__AVX2__)
#include "finish_avx2.h"
#else
#include "finish_neon.h"
#endif

#define SB_FINISHES_FILTERS 1

/* Whether the chain holds what this layer does after scale and bias: nothing that shows, or what
 * SB_CHAIN_ADDS. */
SB_INLINE bool sb_chain_holds(const sb_epilogue *epilogue, const sb_tile *tile) {
#ifdef SB_CHAIN_ADDS
    (void)tile;
    return epilogue->activation != SB_ACT_LEAKY_RELU;
#else
    return !tile->residual[0] && !sb_activation_shows(epilogue);
#endif
}

/* Whether an exact sum is a sum and its shift; integers have no more than that. */
SB_INLINE bool sb_has_shift_alone(const sb_layer *layer) {
#ifdef SB_SUMS_DIGITS
    return layer->sums.plain;
#else
    (void)layer;
    return true;
#endif
}

/* Nothing but scale, bias and rounding, a ReLU that the clamp contains, and what the chain holds
 * besides; and filters enough to be worth a transposition. */
SB_INLINE bool sb_has_plain_chain(const sb_layer *layer, const sb_block_sums *block,
                                  const sb_tile *tile) {
    const sb_epilogue *epilogue = &layer->epilogue;
    return block->filters > SB_CHAIN_FILTERS / 2 && !epilogue->offset && !epilogue->post_bias &&
           !epilogue->requantize.floats && sb_has_shift_alone(layer) &&
           sb_chain_holds(epilogue, tile);
}

/* Codes of all filters of a block at one position. sums: [lane][stride]; output: of the
 * block's first filter, residual: beside it, or NULL; channel: its number in the layer. */
SB_INLINE void sb_finish_filters(const sb_layer *layer, const sb_block_sums *block, size_t channel,
                                 const int32_t *sums, const sb_element *residual,
                                 sb_element *output) {
    for (int32_t f = 0; f < block->filters; f += SB_CHAIN_FILTERS) {
        const int32_t left = block->filters - f;
        const int32_t count = left < SB_CHAIN_FILTERS ? left : SB_CHAIN_FILTERS;
        const sb_filter_chain chain = sb_load_chain(layer, channel + (size_t)f, count);
#ifdef SB_CHAIN_ADDS
        sb_finish_chain(&chain, sums + f, block->stride, residual ? residual + f * SB_LANES : NULL,
                        count, output + f * SB_LANES);
#else
        sb_vector codes[SB_LANES];
        (void)residual;
#ifdef SB_CHAIN_TURNS
        sb_chain_position(&chain, sums + f, block->stride, codes);
#else
        SB_UNROLL
        for (int lane = 0; lane < SB_LANES; ++lane)
            codes[lane] = sb_chain_codes(&chain, sums + (size_t)lane * block->stride + f);
        sb_turn_codes(codes);
#endif
        SB_UNROLL
        for (int i = 0; i < SB_CHAIN_FILTERS; ++i)
            if (i < count)
                SB_STORE(output + (f + i) * SB_LANES, codes[i]);
#endif
    }
}

#endif
