/* y[before + c][p][q] = x[c][p * stride - padding][q * stride - padding], zero beyond the image,
 * which the halo holds; the other channels are zero.
 * whole: channels_before, channels_after. */
#ifndef SB_KERNELS_SUBSAMPLE_PAD_H
#define SB_KERNELS_SUBSAMPLE_PAD_H

#include "../lane/tile.h"

static inline void sb_direct_subsample_pad(const sb_layer *layer, const sb_operands *operands) {
    const int32_t before = layer->whole[0];
    size_t begin, end;
    sb_take_share(operands, sb_tile_count(&layer->output), &begin, &end);
    sb_cursor cursor = sb_cursor_at(&layer->output, begin);
    for (size_t t = begin; t < end; ++t) {
        sb_tile tile;
        sb_aim(layer, operands, 0, &cursor, &tile);
        for (int32_t k = 0; k < layer->geometry.out_channels; ++k) {
            const bool taken = k >= before && k - before < layer->geometry.in_channels;
            for (int v = 0; v < SB_VECTORS; ++v) {
                sb_stored value = SB_FILL((sb_element)layer->epilogue.requantize.output_zero);
                if (taken)
                    value = SB_FETCH(tile.window[v] + (size_t)(k - before) * SB_LANES);
                SB_PUT(tile.output[v] + (size_t)k * SB_LANES, value);
            }
        }
    }
}

#endif
