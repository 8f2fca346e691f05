/* Maximum over windows, channel by channel; the halo holds what padding counts as. */
#ifndef SB_KERNELS_MAX_POOL_H
#define SB_KERNELS_MAX_POOL_H

#include "../lane/tile.h"

static inline void sb_max_pool2d(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t pixel = (size_t)layer->input.pitch * SB_LANES;
    const size_t row = pixel * sb_view_columns(&layer->input) * geometry->dilation_height;
    const size_t column = pixel * geometry->dilation_width;
    const size_t size = (size_t)geometry->out_channels * SB_LANES;
    size_t begin, end;
    sb_take_share(operands, sb_tile_count(&layer->output), &begin, &end);
    sb_cursor cursor = sb_cursor_at(&layer->output, begin);
    for (size_t t = begin; t < end; ++t) {
        sb_tile tile;
        sb_aim(layer, operands, 0, &cursor, &tile);
        for (size_t c = 0; c < size; c += SB_LANES)
            for (int v = 0; v < SB_VECTORS; ++v) {
                sb_vector best = SB_LOAD(tile.window[v] + c);
                for (int32_t r = 0; r < geometry->kernel_height; ++r)
                    for (int32_t s = 0; s < geometry->kernel_width; ++s)
                        best = sb_greater(best, SB_LOAD(tile.window[v] + c + r * row + s * column));
                SB_STORE(tile.output[v] + c, best);
            }
    }
}

#endif
