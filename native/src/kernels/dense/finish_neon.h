/* finish_filters.h for ARM: 16 filters are four vectors of sums, whose codes are narrowed into one,
 * a byte each. Narrowing saturates, which makes the clamp of the chain; what it would make of a NaN
 * is not what the chain does, so the lower bound comes before. A residual, whose vectors hold
 * pixels, is turned the other way first. */
#ifndef SB_KERNELS_FINISH_NEON_H
#define SB_KERNELS_FINISH_NEON_H

#include "../lane/finish_codes.h"
#include "../lane/transpose.h"

#include <arm_neon.h>

enum { SB_CHAIN_FILTERS = 16, SB_CHAIN_VECTORS = 4 };
#define SB_CHAIN_ADDS 1

typedef struct sb_filter_chain {
    int32x4_t shift[SB_CHAIN_VECTORS];
    float32x4_t scale[SB_CHAIN_VECTORS], bias[SB_CHAIN_VECTORS];
    float32x4_t low, active_low, active_high, residual_scale;
    int16x8_t zero;
    uint8x8_t residual_zero;
    uint8x16_t top;
    bool clamps;
} sb_filter_chain;

/* What the activation leaves: all numbers, or those within bounds. */
SB_INLINE void sb_load_bounds(const sb_epilogue *epilogue, sb_filter_chain *chain) {
    const bool relu = epilogue->activation == SB_ACT_RELU;
    chain->clamps = sb_activation_shows(epilogue);
    chain->active_low = vdupq_n_f32(relu ? 0.0f : epilogue->low);
    chain->active_high = vdupq_n_f32(relu ? __builtin_inff() : epilogue->high);
}

SB_INLINE sb_filter_chain sb_load_chain(const sb_layer *layer, size_t channel, int32_t count) {
    const sb_requantize *requantize = &layer->epilogue.requantize;
    const size_t bytes = (size_t)count * sizeof(float);
    sb_filter_chain chain = {.low = vdupq_n_f32((float)-requantize->output_zero),
                             .residual_scale = vdupq_n_f32(requantize->residual_scale),
                             .zero = vdupq_n_s16((int16_t)requantize->output_zero),
                             .residual_zero = vdup_n_u8((uint8_t)requantize->residual_zero),
                             .top = vdupq_n_u8((uint8_t)requantize->output_top)};
    memset(chain.shift, 0, sizeof chain.shift);
    memset(chain.scale, 0, sizeof chain.scale);
    memset(chain.bias, 0, sizeof chain.bias);
    memcpy(chain.shift, layer->sums.shift + channel, bytes);
    memcpy(chain.scale, layer->epilogue.scale + channel, bytes);
    memcpy(chain.bias, layer->epilogue.bias + channel, bytes);
    sb_load_bounds(&layer->epilogue, &chain);
    return chain;
}

/* residual: the codes of 4 filters less their zero. */
SB_INLINE int32x4_t sb_chain_vector(const sb_filter_chain *chain, const int32_t *sums, int i,
                                    const int16x4_t *residual) {
    const int32x4_t exact = vaddq_s32(vld1q_s32(sums + 4 * i), chain->shift[i]);
    float32x4_t f = vmulq_f32(vcvtq_f32_s32(exact), chain->scale[i]);
    f = vaddq_f32(f, chain->bias[i]);
    if (residual) {
        const float32x4_t added = vcvtq_f32_s32(vmovl_s16(*residual));
        f = vaddq_f32(f, vmulq_f32(added, chain->residual_scale));
    }
    if (chain->clamps)
        f = vminq_f32(vmaxq_f32(f, chain->active_low), chain->active_high);
    return vcvtnq_s32_f32(vmaxnmq_f32(f, chain->low));
}

/* Codes of 8 filters, of vectors i and i + 1. */
SB_INLINE uint8x8_t sb_chain_half(const sb_filter_chain *chain, const int32_t *sums, int i,
                                  const int16x8_t *residual) {
    int16x4_t low, high;
    if (residual) {
        low = vget_low_s16(*residual);
        high = vget_high_s16(*residual);
    }
    const int32x4_t a = sb_chain_vector(chain, sums, i, residual ? &low : NULL);
    const int32x4_t b = sb_chain_vector(chain, sums, i + 1, residual ? &high : NULL);
    return vqmovun_s16(vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a), b), chain->zero));
}

/* The codes of all filters at one pixel; residual: theirs there, or NULL. */
SB_INLINE sb_stored sb_chain_codes(const sb_filter_chain *chain, const int32_t *sums,
                                   const sb_stored *residual) {
    int16x8_t low, high;
    if (residual) {
        const uint8x16_t codes = (uint8x16_t)*residual;
        low = vreinterpretq_s16_u16(vsubl_u8(vget_low_u8(codes), chain->residual_zero));
        high = vreinterpretq_s16_u16(vsubl_u8(vget_high_u8(codes), chain->residual_zero));
    }
    const uint8x8_t first = sb_chain_half(chain, sums, 0, residual ? &low : NULL);
    const uint8x8_t last = sb_chain_half(chain, sums, 2, residual ? &high : NULL);
    return (sb_stored)vminq_u8(vcombine_u8(first, last), chain->top);
}

/* Pixels of `count` filters of a residual, turned into the filters of every pixel. */
SB_INLINE void sb_turn_residual(const sb_element *residual, int32_t count, sb_stored *rows) {
    SB_UNROLL
    for (int i = 0; i < SB_CHAIN_FILTERS; ++i) {
        rows[i] = SB_FILL(0);
        if (i < count)
            rows[i] = SB_FETCH(residual + i * SB_LANES);
    }
    sb_transpose(rows);
}

/* Codes of the chain's filters at a position. clamps, adds: known to the compiler. */
SB_INLINE void sb_chain_position(const sb_filter_chain *chain, bool clamps, bool adds,
                                 const int32_t *sums, size_t stride, const sb_element *residual,
                                 int32_t count, sb_stored *codes) {
    sb_filter_chain known = *chain;
    sb_stored added[SB_LANES];
    known.clamps = clamps;
    if (adds)
        sb_turn_residual(residual, count, added);
    SB_UNROLL
    for (int lane = 0; lane < SB_LANES; ++lane)
        codes[lane] =
            sb_chain_codes(&known, sums + (size_t)lane * stride, adds ? added + lane : NULL);
    sb_transpose(codes);
}

/* finish_filters.h's sb_finish_filters; residual: beside the output, or NULL. */
SB_INLINE void sb_finish_chain(const sb_filter_chain *chain, const int32_t *sums, size_t stride,
                               const sb_element *residual, int32_t count, sb_element *output) {
    sb_stored codes[SB_LANES];
    if (residual && chain->clamps)
        sb_chain_position(chain, true, true, sums, stride, residual, count, codes);
    else if (residual)
        sb_chain_position(chain, false, true, sums, stride, residual, count, codes);
    else if (chain->clamps)
        sb_chain_position(chain, true, false, sums, stride, residual, count, codes);
    else
        sb_chain_position(chain, false, false, sums, stride, residual, count, codes);
    SB_UNROLL
    for (int i = 0; i < SB_CHAIN_FILTERS; ++i)
        if (i < count)
            SB_PUT(output + i * SB_LANES, codes[i]);
}

#endif
