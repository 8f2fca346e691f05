/* Maximum over windows, channel by channel; the halo holds what padding counts as. */
#ifndef SB_KERNELS_MAX_POOL2D_H
#define SB_KERNELS_MAX_POOL2D_H

#include "../lane/tile.h"

/* Channels whose maxima stay in registers while the window is walked. */
enum { SB_POOLED_CHANNELS = 4 };

/* Elements from row to row and from pixel to pixel of a window. */
typedef struct sb_pool_steps {
    size_t row, column;
} sb_pool_steps;

SB_INLINE void sb_max_channels(const sb_geometry *geometry, const sb_pool_steps *steps,
                               const sb_element *window, int channels, sb_element *output) {
    sb_stored best[SB_POOLED_CHANNELS];
    SB_UNROLL
    for (int c = 0; c < channels; ++c)
        best[c] = SB_FETCH(window + c * SB_LANES);
    for (int32_t r = 0; r < geometry->kernel_height; ++r) {
        const sb_element *pixel = window + r * steps->row;
        for (int32_t s = 0; s < geometry->kernel_width; ++s, pixel += steps->column) {
            SB_UNROLL
            for (int c = 0; c < channels; ++c)
                best[c] = sb_greater(best[c], SB_FETCH(pixel + c * SB_LANES));
        }
    }
    SB_UNROLL
    for (int c = 0; c < channels; ++c)
        SB_PUT(output + c * SB_LANES, best[c]);
}

static inline void sb_direct_max_pool2d(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t pixel = (size_t)layer->input.pitch * SB_LANES;
    const sb_pool_steps steps = {pixel * sb_view_columns(&layer->input) * geometry->dilation_height,
                                 pixel * geometry->dilation_width};
    const size_t channels = (size_t)geometry->out_channels;
    size_t begin, end;
    sb_take_share(operands, sb_tile_count(&layer->output), &begin, &end);
    sb_cursor cursor = sb_cursor_at(&layer->output, begin);
    for (size_t t = begin; t < end; ++t) {
        sb_tile tile;
        sb_aim(layer, operands, 0, &cursor, &tile);
        for (int v = 0; v < SB_VECTORS; ++v) {
            size_t c = 0;
            for (; c + SB_POOLED_CHANNELS <= channels; c += SB_POOLED_CHANNELS)
                sb_max_channels(geometry, &steps, tile.window[v] + c * SB_LANES, SB_POOLED_CHANNELS,
                                tile.output[v] + c * SB_LANES);
            for (; c < channels; ++c)
                sb_max_channels(geometry, &steps, tile.window[v] + c * SB_LANES, 1,
                                tile.output[v] + c * SB_LANES);
        }
    }
}

#endif
