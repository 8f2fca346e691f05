/* y[r][i] = scale[i] * x[r][i] + bias[i], rows one behind the other. whole: rows. */
#ifndef SB_KERNELS_SCALE_ROWS_H
#define SB_KERNELS_SCALE_ROWS_H

#include "../kernel.h"
#include "../lane/plain.h"

SB_INLINE sb_vector sb_scaled(sb_vector x, sb_vector scale, sb_vector bias) {
    return SB_ADD(SB_MULTIPLY(x, scale), bias);
}

static inline void sb_scale_row(const sb_epilogue *epilogue, const float *x, size_t length,
                                float *y) {
    const float *scale = epilogue->scale, *bias = epilogue->bias;
    size_t i = 0;
    for (; i + SB_LANES <= length; i += SB_LANES)
        sb_store_any(y + i,
                     sb_scaled(sb_load_any(x + i), sb_load_any(scale + i), sb_load_any(bias + i)));
    const size_t left = length - i;
    if (!left)
        return;
    sb_store_some(y + i, left,
                  sb_scaled(sb_load_some(x + i, left, 0.0f), sb_load_some(scale + i, left, 0.0f),
                            sb_load_some(bias + i, left, 0.0f)));
}

static inline void sb_direct_scale_rows(const sb_layer *layer, const sb_operands *operands) {
    const size_t length = (size_t)layer->geometry.out_channels;
    const float *input = operands->input;
    float *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, (size_t)layer->whole[0], &begin, &end);
    for (size_t r = begin; r < end; ++r)
        sb_scale_row(&layer->epilogue, input + r * length, length, output + r * length);
}

#endif
