/* The chain of sb_epilogue_spec on exact sums of neighbouring filters for one image, whose outputs
 * lie side by side: sb_finish_sum for many of them. Branches sit outside the loops so that the
 * compiler vectorises them; every float32 operation is the same. */
#ifndef SB_KERNELS_FINISH_ROW_H
#define SB_KERNELS_FINISH_ROW_H

#include "../epilogue_codes.h"
#include "lane_vector.h"

/* Filters [channel, channel + count), at most SB_FILTERS; index: of the output of the first; total:
 * the sum of the image's codes, where the layer needs it. */
typedef struct sb_row {
    size_t channel, count, index;
    uint32_t total;
} sb_row;

/* A * scale + bias. */
static inline void sb_scale_row(const sb_layer *layer, const sb_row *row, const int32_t *sums,
                                float *f) {
    const sb_integer_sums *how = &layer->sums;
    const int32_t *flip = how->flip + row->channel, *shift = how->shift + row->channel;
    const float *scale = layer->epilogue.scale + row->channel;
    const float *bias = layer->epilogue.bias + row->channel;
    if (how->twice) {
        const int32_t *twice = how->twice + row->channel;
        for (size_t i = 0; i < row->count; ++i) {
            const uint32_t sum = (uint32_t)sums[i];
            const uint32_t exact = (sum ^ (uint32_t)flip[i]) + (uint32_t)shift[i] +
                                   ((sum - row->total) & (uint32_t)twice[i]);
            f[i] = (float)(int32_t)exact * scale[i] + bias[i];
        }
        return;
    }
    for (size_t i = 0; i < row->count; ++i) {
        const uint32_t exact = ((uint32_t)sums[i] ^ (uint32_t)flip[i]) + (uint32_t)shift[i];
        f[i] = (float)(int32_t)exact * scale[i] + bias[i];
    }
}

static inline void sb_add_to_row(const sb_layer *layer, const sb_operands *operands,
                                 const sb_row *row, float *f) {
    const sb_requantize *requantize = &layer->epilogue.requantize;
    if (layer->epilogue.offset) {
        const float *offset = layer->epilogue.offset + row->channel;
        const uint32_t zeros =
            (uint32_t)layer->geometry.in_channels * (uint32_t)requantize->input_zero;
        const float total = (float)(int32_t)(row->total - zeros);
        for (size_t i = 0; i < row->count; ++i)
            f[i] += offset[i] * total;
    }
    if (operands->residual) {
        const sb_code *residual = (const sb_code *)operands->residual + row->index;
        for (size_t i = 0; i < row->count; ++i)
            f[i] += requantize->residual_scale *
                    (float)((int32_t)residual[i] - requantize->residual_zero);
    }
}

static inline void sb_put_row(const sb_layer *layer, const sb_operands *operands, const sb_row *row,
                              const float *f) {
    const sb_requantize *requantize = &layer->epilogue.requantize;
    if (requantize->floats) {
        memcpy((float *)operands->output + row->index, f, row->count * sizeof *f);
        return;
    }
    const int32_t zero = requantize->output_zero, top = requantize->output_top;
    sb_code *output = (sb_code *)operands->output + row->index;
    for (size_t i = 0; i < row->count; ++i)
        output[i] = sb_to_code(f[i], zero, top);
}

static inline void sb_finish_row(const sb_layer *layer, const sb_operands *operands,
                                 const sb_row *row, const int32_t *sums) {
    const sb_epilogue *epilogue = &layer->epilogue;
    float f[SB_FILTERS];
    sb_scale_row(layer, row, sums, f);
    sb_add_to_row(layer, operands, row, f);
    if (epilogue->activation != SB_ACT_NONE)
        for (size_t i = 0; i < row->count; ++i)
            f[i] = sb_activate_number(epilogue, row->channel + i, f[i]);
    if (epilogue->post_bias)
        for (size_t i = 0; i < row->count; ++i)
            f[i] += epilogue->post_bias[row->channel + i];
    sb_put_row(layer, operands, row, f);
}

#endif
