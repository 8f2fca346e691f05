/* The end of every layer: a channel of a tile through the epilogue into the output. SB_LANES and
 * SB_VECTORS, and SB_CODES where elements are codes, come from the kernel's row. */
#ifndef SB_KERNELS_FINISH_H
#define SB_KERNELS_FINISH_H

#include "tile.h"

#ifdef SB_CODES
#include "finish_codes.h"
#else

SB_INLINE void sb_activate_vectors(const sb_epilogue *epilogue, size_t channel, sb_vector *y) {
    const sb_vector zero = SB_BROADCAST(0.0f);
    if (epilogue->activation == SB_ACT_RELU) {
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            y[v] = SB_SELECT_LESS(y[v], zero, zero, y[v]);
    } else if (epilogue->activation == SB_ACT_LEAKY_RELU) {
        const sb_vector slope = SB_BROADCAST(epilogue->slope[channel]);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            y[v] = SB_SELECT_LESS(zero, y[v], y[v], SB_MULTIPLY(slope, y[v]));
    } else if (epilogue->activation == SB_ACT_CLAMP) {
        const sb_vector low = SB_BROADCAST(epilogue->low), high = SB_BROADCAST(epilogue->high);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v) {
            y[v] = SB_SELECT_LESS(y[v], low, low, y[v]);
            y[v] = SB_SELECT_LESS(high, y[v], high, y[v]);
        }
    }
}

/* One channel of a tile through the epilogue into the output. index: the channel counted within
 * its convolution group; channel: within the layer. */
SB_INLINE void sb_finish_tile(const sb_epilogue *epilogue, size_t index, size_t channel,
                              const sb_tile *tile, const sb_vector *sums) {
    const sb_vector scale = SB_BROADCAST(epilogue->scale[channel]);
    const sb_vector bias = SB_BROADCAST(epilogue->bias[channel]);
    const size_t step = index * SB_LANES;
    sb_vector y[SB_VECTORS];
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        y[v] = SB_ADD(SB_MULTIPLY(sums[v], scale), bias);
    if (epilogue->offset && tile->total) {
        const sb_vector offset = SB_BROADCAST(epilogue->offset[channel]);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            y[v] = SB_ADD(y[v], SB_MULTIPLY(offset, tile->total[v]));
    }
    if (tile->residual[0]) {
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            y[v] = SB_ADD(y[v], SB_LOAD(tile->residual[v] + step));
    }
    sb_activate_vectors(epilogue, channel, y);
    if (epilogue->post_bias) {
        const sb_vector post_bias = SB_BROADCAST(epilogue->post_bias[channel]);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            y[v] = SB_ADD(y[v], post_bias);
    }
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        SB_STORE(tile->output[v] + step, y[v]);
}

#endif
#endif
