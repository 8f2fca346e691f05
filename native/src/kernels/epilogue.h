/* The end of every layer, over a run of values of one channel. Branches sit outside the loops so
 * that the compiler vectorises them; comparisons are written so that NaN survives. */
#ifndef SB_KERNELS_EPILOGUE_H
#define SB_KERNELS_EPILOGUE_H

#include "kernel.h"

static inline void sb_activate(const sb_epilogue *epilogue, size_t channel, float *values,
                               size_t count) {
    if (epilogue->activation == SB_ACT_RELU) {
        for (size_t i = 0; i < count; ++i)
            values[i] = values[i] < 0.0f ? 0.0f : values[i];
    } else if (epilogue->activation == SB_ACT_LEAKY_RELU) {
        const float slope = epilogue->slope[channel];
        for (size_t i = 0; i < count; ++i)
            values[i] = values[i] > 0.0f ? values[i] : slope * values[i];
    } else if (epilogue->activation == SB_ACT_CLAMP) {
        const float low = epilogue->low, high = epilogue->high;
        for (size_t i = 0; i < count; ++i) {
            const float raised = values[i] < low ? low : values[i];
            values[i] = raised > high ? high : raised;
        }
    }
}

/* values: accumulators in, results out. total, residual: count values each, or NULL. */
static inline void sb_finish(const sb_epilogue *epilogue, size_t channel, float *values,
                             const float *total, const float *residual, size_t count) {
    if (epilogue->scale) {
        const float scale = epilogue->scale[channel];
        for (size_t i = 0; i < count; ++i)
            values[i] *= scale;
    }
    if (total && epilogue->offset) {
        const float offset = epilogue->offset[channel];
        for (size_t i = 0; i < count; ++i)
            values[i] += offset * total[i];
    }
    if (epilogue->bias) {
        const float bias = epilogue->bias[channel];
        for (size_t i = 0; i < count; ++i)
            values[i] += bias;
    }
    if (residual)
        for (size_t i = 0; i < count; ++i)
            values[i] += residual[i];
    sb_activate(epilogue, channel, values, count);
    if (epilogue->post_bias) {
        const float post_bias = epilogue->post_bias[channel];
        for (size_t i = 0; i < count; ++i)
            values[i] += post_bias;
    }
}

#endif
