/* The end of a linear layer on floats for neighbouring filters of one image, whose outputs lie side
 * by side:
 *   y = act(scale[k] * sum + offset[k] * total + middle * weight_sums[k] + bias[k] [+ residual])
 *       + post_bias[k]
 * where sum and total are of inputs less the middle. An input that is not finite is in the total,
 * and so shows in every output. */
#ifndef SB_KERNELS_FINISH_FLOATS_H
#define SB_KERNELS_FINISH_FLOATS_H

#include "../epilogue_codes.h"

/* Of one image. */
typedef struct sb_row_sums {
    float total, middle;
} sb_row_sums;

/* sums: of filters [channel, channel + count), results afterwards; index: of the first output. */
static inline void sb_finish_floats(const sb_layer *layer, const sb_operands *operands,
                                    size_t channel, size_t count, size_t index,
                                    const sb_row_sums *row, float *sums) {
    const sb_epilogue *epilogue = &layer->epilogue;
    const float *scale = epilogue->scale + channel, *bias = epilogue->bias + channel;
    const float *offset = epilogue->offset + channel;
    for (size_t i = 0; i < count; ++i)
        sums[i] = scale[i] * sums[i] + offset[i] * row->total + bias[i];
    if (epilogue->weight_sums) {
        const float *weights = epilogue->weight_sums + channel;
        for (size_t i = 0; i < count; ++i)
            sums[i] += weights[i] * row->middle;
    }
    if (operands->residual) {
        const float *residual = (const float *)operands->residual + index;
        for (size_t i = 0; i < count; ++i)
            sums[i] += residual[i];
    }
    if (epilogue->activation != SB_ACT_NONE)
        for (size_t i = 0; i < count; ++i)
            sums[i] = sb_activate_number(epilogue, channel + i, sums[i]);
    if (epilogue->post_bias)
        for (size_t i = 0; i < count; ++i)
            sums[i] += epilogue->post_bias[channel + i];
    memcpy((float *)operands->output + index, sums, count * sizeof *sums);
}

#endif
