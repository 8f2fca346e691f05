/* y[r][i] = (x[r][i] - mean) / sqrt(variance + epsilon) * scale[i] + bias[i], mean and variance of
 * row r, both in float64. whole: rows; real: epsilon. */
#ifndef SB_KERNELS_NORMALIZE_ROWS_H
#define SB_KERNELS_NORMALIZE_ROWS_H

#include "../kernel.h"
#include "../lane/plain.h"

#include <math.h>

/* Partial sums, so that they need not wait for one another. */
enum { SB_PARTIAL_SUMS = 8 };

/* Sum of (x[i] - centre)^power, power 1 or 2. */
static inline double sb_sum_of_powers(const float *x, size_t length, double centre, int power) {
    double sums[SB_PARTIAL_SUMS] = {0}, sum = 0;
    size_t i = 0;
    for (; i + SB_PARTIAL_SUMS <= length; i += SB_PARTIAL_SUMS)
        for (int j = 0; j < SB_PARTIAL_SUMS; ++j) {
            const double step = (double)x[i + (size_t)j] - centre;
            sums[j] += power == 2 ? step * step : step;
        }
    for (; i < length; ++i) {
        const double step = (double)x[i] - centre;
        sum += power == 2 ? step * step : step;
    }
    for (int j = 0; j < SB_PARTIAL_SUMS; ++j)
        sum += sums[j];
    return sum;
}

static inline void sb_normalize_row(const sb_layer *layer, const float *x, size_t length,
                                    float *y) {
    const float *scale = layer->epilogue.scale, *bias = layer->epilogue.bias;
    const double mean = sb_sum_of_powers(x, length, 0.0, 1) / (double)length;
    const double variance = sb_sum_of_powers(x, length, mean, 2) / (double)length;
    const double factor = 1.0 / sqrt(variance + (double)layer->real[0]);
    for (size_t i = 0; i < length; ++i)
        y[i] = (float)(((double)x[i] - mean) * factor) * scale[i] + bias[i];
}

static inline void sb_direct_normalize_rows(const sb_layer *layer, const sb_operands *operands) {
    const size_t length = (size_t)layer->geometry.out_channels;
    const float *input = operands->input;
    float *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, (size_t)layer->whole[0], &begin, &end);
    for (size_t r = begin; r < end; ++r)
        sb_normalize_row(layer, input + r * length, length, output + r * length);
}

#endif
