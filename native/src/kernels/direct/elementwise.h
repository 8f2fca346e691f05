/* y = act(scale[c] * x + bias[c] [+ residual]) + post_bias[c]. */
#ifndef SB_KERNELS_ELEMENTWISE_H
#define SB_KERNELS_ELEMENTWISE_H

#include "../lane/finish.h"

SB_INLINE sb_total sb_mapped(sb_total x) {
    return x;
}

#include "map_pixels.h"

#ifdef SB_CODES

static inline void sb_direct_elementwise(const sb_layer *layer, const sb_operands *operands) {
    sb_map_pixels(layer, operands);
}

#else

#include "../epilogue_codes.h"

/* Plain values of one pixel, whose channels lie side by side. */
static inline void sb_elementwise_vector(const sb_layer *layer, const sb_operands *operands) {
    const sb_epilogue *epilogue = &layer->epilogue;
    const float *input = operands->input, *residual = operands->residual;
    const float *scale = epilogue->scale, *bias = epilogue->bias;
    float *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, (size_t)layer->geometry.in_channels, &begin, &end);
    for (size_t c = begin; c < end; ++c)
        output[c] = input[c] * scale[c] + bias[c];
    for (size_t c = begin; residual && c < end; ++c)
        output[c] += residual[c];
    if (epilogue->activation == SB_ACT_RELU)
        for (size_t c = begin; c < end; ++c)
            output[c] = output[c] < 0.0f ? 0.0f : output[c];
    else if (epilogue->activation != SB_ACT_NONE)
        for (size_t c = begin; c < end; ++c)
            output[c] = sb_activate_number(epilogue, c, output[c]);
    for (size_t c = begin; epilogue->post_bias && c < end; ++c)
        output[c] += epilogue->post_bias[c];
}

static inline void sb_direct_elementwise(const sb_layer *layer, const sb_operands *operands) {
    if (layer->output.lanes)
        sb_map_pixels(layer, operands);
    else
        sb_elementwise_vector(layer, operands);
}

#endif

#endif
