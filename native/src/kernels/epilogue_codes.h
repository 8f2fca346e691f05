/* The chain of sb_epilogue_spec on one exact sum of codes: for linear layers and averages, whose
 * outputs lie one by one. */
#ifndef SB_KERNELS_EPILOGUE_CODES_H
#define SB_KERNELS_EPILOGUE_CODES_H

#include "kernel.h"

#include <string.h>

/* rint for numbers of at most 2^22: 1.5 * 2^23 + f keeps no fraction, so the addition rounds, ties
 * to even; what lies above the constant's bits is the whole number. */
static inline int32_t sb_round(float f) {
    const float shifted = f + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return bits - 0x4b400000;
}

/* f as a code: clamped, rounded. A NaN becomes the least code. */
static inline sb_code sb_to_code(float f, int32_t zero, int32_t top) {
    const float low = (float)-zero, high = (float)(top - zero);
    f = f > low ? f : low;
    f = f < high ? f : high;
    return (sb_code)(sb_round(f) + zero);
}

static inline void sb_put_number(const sb_requantize *requantize, void *output, size_t index,
                                 float f) {
    if (requantize->floats)
        ((float *)output)[index] = f;
    else
        ((sb_code *)output)[index] = sb_to_code(f, requantize->output_zero, requantize->output_top);
}

static inline float sb_activate_number(const sb_epilogue *epilogue, size_t channel, float f) {
    if (epilogue->activation == SB_ACT_RELU)
        return f < 0.0f ? 0.0f : f;
    if (epilogue->activation == SB_ACT_LEAKY_RELU)
        return f > 0.0f ? f : epilogue->slope[channel] * f;
    if (epilogue->activation == SB_ACT_CLAMP) {
        const float raised = f < epilogue->low ? epilogue->low : f;
        return raised > epilogue->high ? epilogue->high : raised;
    }
    return f;
}

/* sum, total: raw sums of codes of filter `channel` and its window, modulo 2^32; index: of the
 * output. */
static inline void sb_finish_sum(const sb_layer *layer, const sb_operands *operands, size_t channel,
                                 size_t index, uint32_t sum, uint32_t total) {
    const sb_epilogue *epilogue = &layer->epilogue;
    const sb_requantize *requantize = &epilogue->requantize;
    const sb_integer_sums *how = &layer->sums;
    const sb_code *residual = operands->residual;
    uint32_t exact = (sum ^ (uint32_t)how->flip[channel]) + (uint32_t)how->shift[channel];
    if (how->twice)
        exact += (sum - total) & (uint32_t)how->twice[channel];
    float f = (float)(int32_t)exact * epilogue->scale[channel] + epilogue->bias[channel];
    if (epilogue->offset) {
        total -= (uint32_t)layer->geometry.in_channels * (uint32_t)requantize->input_zero;
        f += epilogue->offset[channel] * (float)(int32_t)total;
    }
    if (residual)
        f += requantize->residual_scale * (float)(residual[index] - requantize->residual_zero);
    f = sb_activate_number(epilogue, channel, f);
    if (epilogue->post_bias)
        f += epilogue->post_bias[channel];
    sb_put_number(requantize, operands->output, index, f);
}

#endif
