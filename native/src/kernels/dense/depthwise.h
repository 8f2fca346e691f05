/* Depthwise convolution: one channel per convolution group, K/C filters read each. A tile's
 * channels follow one another, so each pixel is read from end to end. weights: [K][R][S]. */
#ifndef SB_KERNELS_DEPTHWISE_H
#define SB_KERNELS_DEPTHWISE_H

#include "../lane/finish.h"

static inline void sb_depthwise(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t multiplier = (size_t)geometry->out_channels / geometry->groups;
    const size_t pixel = (size_t)layer->input.pitch * SB_LANES;
    const size_t row = pixel * sb_view_columns(&layer->input) * geometry->dilation_height;
    const sb_split split = sb_divide(operands, sb_tile_count(&layer->output), 1);
    sb_cursor cursor = sb_cursor_at(&layer->output, split.first_tile);
    for (size_t t = split.first_tile; t < split.end_tile; ++t) {
        sb_tile tile;
        const float *weights = layer->weights;
        sb_aim(layer, operands, 0, &cursor, &tile);
        for (size_t k = 0; k < (size_t)geometry->out_channels; ++k) {
            const size_t channel = k / multiplier * SB_LANES;
            sb_vector y[SB_VECTORS];
            SB_UNROLL
            for (int v = 0; v < SB_VECTORS; ++v)
                y[v] = SB_BROADCAST(0.0f);
            for (int32_t r = 0; r < geometry->kernel_height; ++r)
                for (int32_t s = 0; s < geometry->kernel_width; ++s, ++weights) {
                    const size_t offset = channel + r * row + s * pixel * geometry->dilation_width;
                    const sb_vector weight = SB_BROADCAST(*weights);
                    SB_UNROLL
                    for (int v = 0; v < SB_VECTORS; ++v)
                        y[v] = SB_ADD(y[v], SB_MULTIPLY(weight, SB_LOAD(tile.window[v] + offset)));
                }
            sb_finish_tile(&layer->epilogue, k, k, &tile, y);
        }
    }
}

#endif
