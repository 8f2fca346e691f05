/* y = W q over codes, one product after the other: the reference. Weights [K][C]. */
#ifndef SB_KERNELS_DENSE_LINEAR_CODES_H
#define SB_KERNELS_DENSE_LINEAR_CODES_H

#include "../epilogue_codes.h"

static inline void sb_dense_linear(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    const size_t filters = (size_t)layer->geometry.out_channels;
    const sb_code *input = operands->input;
    size_t begin, end;
    sb_take_share(operands, filters, &begin, &end);
    for (size_t k = begin; k < end; ++k) {
        const int8_t *row = layer->integers + k * channels;
        for (size_t n = 0; n < operands->batch; ++n) {
            uint32_t sum = 0, total = 0;
            for (size_t c = 0; c < channels; ++c) {
                sum += (uint32_t)(row[c] * input[n * channels + c]);
                total += input[n * channels + c];
            }
            sb_finish_sum(layer, operands, k, n * filters + k, sum, total);
        }
    }
}

#endif
