/* Channels of one value into channels of another: y[to + n] = x[first + place(n)], n < count, where
 * place(n) = n for one group, and of G groups n % G is the group and n / G the channel within it:
 *   6 channels, 2 groups:   x 0 1 2 | 3 4 5   ->   y 0 3 1 4 2 5
 * whole: first, groups, to, count. real: what codes are multiplied by where they mean something
 * else in y; 0 where they stay. */
#ifndef SB_KERNELS_CHANNELS_H
#define SB_KERNELS_CHANNELS_H

#include "../lane/finish.h"

SB_INLINE void sb_move_channel(const sb_layer *layer, const sb_tile *tile, int v,
                               const sb_element *x, size_t channel) {
#ifdef SB_CODES
    const sb_requantize *requantize = &layer->epilogue.requantize;
    if (layer->real[0] != 0.0f) {
        const sb_sums steps = sb_shift_sums(sb_widen(SB_LOAD(x)), -requantize->input_zero);
        sb_put_reals(requantize, tile, v, channel * SB_LANES,
                     sb_scale_reals(sb_to_reals(steps), layer->real[0]));
        return;
    }
#else
    (void)layer;
#endif
    SB_PUT(tile->output[v] + channel * SB_LANES, SB_FETCH(x));
}

static inline void sb_direct_channels(const sb_layer *layer, const sb_operands *operands) {
    const int32_t groups = layer->whole[1], of_group = layer->whole[3] / groups;
    size_t begin, end;
    sb_take_share(operands, sb_tile_count(&layer->output), &begin, &end);
    sb_cursor cursor = sb_cursor_at(&layer->output, begin);
    for (size_t t = begin; t < end; ++t) {
        sb_tile tile;
        sb_aim(layer, operands, 0, &cursor, &tile);
        for (int v = 0; v < SB_VECTORS; ++v) {
            const sb_element *x = tile.window[v] + (size_t)layer->whole[0] * SB_LANES;
            for (int32_t group = 0; group < groups; ++group)
                for (int32_t c = 0; c < of_group; ++c, x += SB_LANES)
                    sb_move_channel(layer, &tile, v, x,
                                    (size_t)(layer->whole[2] + c * groups + group));
        }
    }
}

#endif
