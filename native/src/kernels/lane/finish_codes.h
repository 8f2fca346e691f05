/* The epilogue on exact sums of codes: the chain of sb_epilogue_spec, one float32 operation after
 * the other. */
#ifndef SB_KERNELS_FINISH_CODES_H
#define SB_KERNELS_FINISH_CODES_H

#include "tile.h"

SB_INLINE sb_reals sb_scale_reals(sb_reals f, float by) {
    for (int p = 0; p < SB_PARTS; ++p)
        f.part[p] *= by;
    return f;
}

SB_INLINE sb_reals sb_shift_reals(sb_reals f, float by) {
    for (int p = 0; p < SB_PARTS; ++p)
        f.part[p] += by;
    return f;
}

SB_INLINE sb_reals sb_add_reals(sb_reals a, sb_reals b) {
    for (int p = 0; p < SB_PARTS; ++p)
        a.part[p] += b.part[p];
    return a;
}

/* Relu before codes from zero 0 upwards is the clamp they end in anyway. */
SB_INLINE bool sb_activation_shows(const sb_epilogue *epilogue) {
    const sb_requantize *requantize = &epilogue->requantize;
    return epilogue->activation != SB_ACT_NONE &&
           !(epilogue->activation == SB_ACT_RELU && !requantize->output_zero &&
             !requantize->floats && !epilogue->post_bias);
}

SB_INLINE sb_reals sb_activate_reals(const sb_epilogue *epilogue, size_t channel, sb_reals f) {
    for (int p = 0; p < SB_PARTS; ++p) {
        if (epilogue->activation == SB_ACT_RELU) {
            f.part[p] = sb_replace_less(f.part[p], 0.0f, (sb_real){0});
        } else if (epilogue->activation == SB_ACT_LEAKY_RELU) {
            f.part[p] = sb_keep_greater(f.part[p], 0.0f, f.part[p] * epilogue->slope[channel]);
        } else if (epilogue->activation == SB_ACT_CLAMP) {
            f.part[p] = sb_replace_less(f.part[p], epilogue->low, (sb_real){0} + epilogue->low);
            f.part[p] = sb_replace_greater(f.part[p], epilogue->high);
        }
    }
    return f;
}

SB_INLINE sb_reals sb_residual_reals(const sb_requantize *requantize, const sb_element *residual) {
    const sb_sums r = sb_shift_sums(sb_widen(SB_LOAD(residual)), -requantize->residual_zero);
    return sb_scale_reals(sb_to_reals(r), requantize->residual_scale);
}

SB_INLINE sb_stored sb_requantize_reals(const sb_requantize *requantize, sb_reals f) {
#ifdef SB_NEON_CODES
    return sb_round_to_codes(f, requantize->output_zero, requantize->output_top);
#else
    const float low = (float)-requantize->output_zero;
    const float high = (float)(requantize->output_top - requantize->output_zero);
    for (int p = 0; p < SB_PARTS; ++p)
        f.part[p] = sb_below(sb_above(f.part[p], low), high);
    return SB_NARROW(sb_to_codes(f, requantize->output_zero));
#endif
}

/* Numbers of vector v, index elements behind the tile's, into the output. */
SB_INLINE void sb_put_reals(const sb_requantize *requantize, const sb_tile *tile, int v,
                            size_t index, sb_reals f) {
    if (requantize->floats)
        sb_store_floats(tile->floats[v] + index, f);
    else
        SB_PUT(tile->output[v] + index, sb_requantize_reals(requantize, f));
}

/* One channel of a tile. index: the channel counted within its convolution group; channel: within
 * the layer. sums: A. Nothing is stored before all is computed, so that the compiler may keep the
 * layer's numbers in registers. */
SB_INLINE void sb_finish_tile(const sb_epilogue *epilogue, size_t index, size_t channel,
                              const sb_tile *tile, const sb_sums *sums) {
    const float scale = epilogue->scale[channel], bias = epilogue->bias[channel];
    const size_t step = index * SB_LANES;
    sb_reals f[SB_VECTORS];
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        f[v] = sb_shift_reals(sb_scale_reals(sb_to_reals(sums[v]), scale), bias);
    if (epilogue->offset && tile->total) {
        const float offset = epilogue->offset[channel];
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            f[v] = sb_add_reals(f[v], sb_scale_reals(sb_to_reals(tile->total[v]), offset));
    }
    if (tile->residual[0]) {
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            f[v] = sb_add_reals(f[v],
                                sb_residual_reals(&epilogue->requantize, tile->residual[v] + step));
    }
    if (sb_activation_shows(epilogue)) {
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            f[v] = sb_activate_reals(epilogue, channel, f[v]);
    }
    if (epilogue->post_bias) {
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            f[v] = sb_shift_reals(f[v], epilogue->post_bias[channel]);
    }
    if (epilogue->requantize.floats) {
        for (int v = 0; v < SB_VECTORS; ++v)
            sb_store_floats(tile->floats[v] + step, f[v]);
        return;
    }
    sb_stored codes[SB_VECTORS];
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        codes[v] = sb_requantize_reals(&epilogue->requantize, f[v]);
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        SB_PUT(tile->output[v] + step, codes[v]);
}

#endif
