/* y = act(scale[c] * f(x) + bias[c] [+ residual]) + post_bias[c], for the f that the kernel's
 * header defines before it includes this: SB_INLINE sb_total sb_mapped(sb_total x).
 *
 * sb_total is a vector of floats, where no code is built (#ifndef SB_CODES), and the sums of a
 * vector of codes otherwise: parts of uint32 lanes that hold int32 numbers, modulo 2^32 (sb_sums in
 * ../lane/lane_codes.h). A function that is not the same on both is written twice. */
#ifndef SB_KERNELS_MAP_PIXELS_H
#define SB_KERNELS_MAP_PIXELS_H

#include "../lane/finish.h"

/* What f takes: x, of codes q - zero. */
SB_INLINE sb_total sb_taken(const sb_layer *layer, sb_vector x) {
#ifdef SB_CODES
    return sb_shift_sums(sb_widen(x), -layer->epilogue.requantize.input_zero);
#else
    (void)layer;
    return x;
#endif
}

static inline void sb_map_pixels(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    size_t begin, end;
    sb_take_share(operands, sb_tile_count(&layer->output), &begin, &end);
    sb_cursor cursor = sb_cursor_at(&layer->output, begin);
    for (size_t t = begin; t < end; ++t) {
        sb_tile tile;
        sb_aim(layer, operands, 0, &cursor, &tile);
        for (size_t c = 0; c < channels; ++c) {
            sb_total x[SB_VECTORS];
            for (int v = 0; v < SB_VECTORS; ++v)
                x[v] = sb_mapped(sb_taken(layer, SB_LOAD(tile.window[v] + c * SB_LANES)));
            sb_finish_tile(&layer->epilogue, c, c, &tile, x);
        }
    }
}

#endif
