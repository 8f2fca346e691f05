/* y = W x, one image after the other: lanes run over input channels, so that one image fills them.
 * SB_FILTERS filters share the loads of an image, in SB_VECTORS partial sums each; the weights
 * [K][C] are read once, for all images. */
#ifndef SB_KERNELS_DENSE_LINEAR_FLOATS_H
#define SB_KERNELS_DENSE_LINEAR_FLOATS_H

#include "../epilogue.h"
#include "../lane/plain.h"

static inline float sb_sum_lanes(sb_vector value) {
    float lanes[SB_LANES];
    memcpy(lanes, &value, sizeof value);
    for (int half = SB_LANES / 2; half; half /= 2)
        for (int i = 0; i < half; ++i)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

#if defined(__aarch64__) && SB_LANES == 4 && SB_VECTORS == 2 && !defined(SB_PLAIN_C)
#include "registers_neon.h"

/* The next 8 inputs of an image and of every row, multiplied. */
SB_INLINE void sb_multiply_next(const int8_t **rows, const int8_t **input, sb_vector *y) {
    int8x16_t x[2], weight[2];
    *input = sb_load_pair(*input, x, x + 1);
    SB_UNROLL
    for (int f = 0; f < SB_FILTERS; ++f) {
        rows[f] = sb_load_pair(rows[f], weight, weight + 1);
        SB_UNROLL
        for (int v = 0; v < 2; ++v)
            y[2 * f + v] += (sb_vector)weight[v] * (sb_vector)x[v];
    }
}

/* The whole rounds of `channels` inputs; y is zero before. */
SB_INLINE void sb_multiply_rows(const float *const *rows, const float *input, size_t channels,
                                sb_vector *y) {
    const int8_t *next[SB_FILTERS], *image = (const int8_t *)input;
    sb_vector sums[2 * SB_FILTERS];
    SB_UNROLL
    for (int f = 0; f < SB_FILTERS; ++f) {
        next[f] = (const int8_t *)rows[f];
        sums[2 * f] = sums[2 * f + 1] = SB_BROADCAST(0.0f);
    }
    for (size_t c = 8; c <= channels; c += 8)
        sb_multiply_next(next, &image, sums);
    memcpy(y, sums, sizeof sums);
}
#else
SB_INLINE void sb_multiply_rows(const float *const *rows, const float *input, size_t channels,
                                sb_vector *y) {
    enum { STEP = SB_VECTORS * SB_LANES };
    for (size_t c = 0; c + STEP <= channels; c += STEP) {
        SB_UNROLL
        for (int i = 0; i < SB_FILTERS * SB_VECTORS; ++i) {
            const size_t at = c + (size_t)(i % SB_VECTORS) * SB_LANES;
            y[i] = SB_ADD(
                y[i], SB_MULTIPLY(sb_load_any(rows[i / SB_VECTORS] + at), sb_load_any(input + at)));
        }
    }
}
#endif

/* sums[f] = rows[f] . input. */
static inline void sb_dense_products(const float *const *rows, const float *input, size_t channels,
                                     float *sums) {
    enum { STEP = SB_VECTORS * SB_LANES };
    sb_vector y[SB_FILTERS * SB_VECTORS];
    const size_t whole = channels / STEP * STEP;
    SB_UNROLL
    for (int i = 0; i < SB_FILTERS * SB_VECTORS; ++i)
        y[i] = SB_BROADCAST(0.0f);
    sb_multiply_rows(rows, input, channels, y);
    for (int f = 0; f < SB_FILTERS; ++f) {
        sb_vector sum = y[f * SB_VECTORS];
        for (int v = 1; v < SB_VECTORS; ++v)
            sum = SB_ADD(sum, y[f * SB_VECTORS + v]);
        sums[f] = sb_sum_lanes(sum);
        for (size_t tail = whole; tail < channels; ++tail)
            sums[f] += rows[f][tail] * input[tail];
    }
}

static inline void sb_dense_linear(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    const size_t filters = (size_t)layer->geometry.out_channels;
    const float *input = operands->input, *residual = operands->residual;
    float *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, (filters + SB_FILTERS - 1) / SB_FILTERS, &begin, &end);
    for (size_t k = begin * SB_FILTERS; k < end * SB_FILTERS; k += SB_FILTERS) {
        const size_t real = filters - k < SB_FILTERS ? filters - k : SB_FILTERS;
        const float *rows[SB_FILTERS];
        float sums[SB_FILTERS];
        for (size_t f = 0; f < SB_FILTERS; ++f)
            rows[f] = layer->weights + (k + (f < real ? f : real - 1)) * channels;
        for (size_t n = 0; n < operands->batch; ++n) {
            sb_dense_products(rows, input + n * channels, channels, sums);
            for (size_t f = 0; f < real; ++f) {
                const size_t index = n * filters + k + f;
                sb_finish(&layer->epilogue, k + f, sums + f, NULL,
                          residual ? residual + index : NULL, 1);
                output[index] = sums[f];
            }
        }
    }
}

#endif
