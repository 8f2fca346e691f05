/* y[c] = e^(x[c] - m) / sum over c of e^(x[c] - m), m the largest x[c], at every pixel. */
#ifndef SB_KERNELS_SOFTMAX_H
#define SB_KERNELS_SOFTMAX_H

#include "../lane/exponential.h"
#include "../lane/tile.h"

/* One vector of pixels. */
static inline void sb_softmax_pixels(const float *x, size_t channels, float *y) {
    sb_vector most = SB_LOAD(x), sum = SB_BROADCAST(0.0f);
    for (size_t c = 1; c < channels; ++c)
        most = sb_greater(most, SB_LOAD(x + c * SB_LANES));
    for (size_t c = 0; c < channels; ++c) {
        const sb_vector power = sb_exponential(SB_SUBTRACT(SB_LOAD(x + c * SB_LANES), most));
        SB_STORE(y + c * SB_LANES, power);
        sum = SB_ADD(sum, power);
    }
    for (size_t c = 0; c < channels; ++c)
        SB_STORE(y + c * SB_LANES, SB_DIVIDE(SB_LOAD(y + c * SB_LANES), sum));
}

static inline void sb_direct_softmax(const sb_layer *layer, const sb_operands *operands) {
    size_t begin, end;
    sb_take_share(operands, sb_tile_count(&layer->output), &begin, &end);
    sb_cursor cursor = sb_cursor_at(&layer->output, begin);
    for (size_t t = begin; t < end; ++t) {
        sb_tile tile;
        sb_aim(layer, operands, 0, &cursor, &tile);
        for (int v = 0; v < SB_VECTORS; ++v)
            sb_softmax_pixels(tile.window[v], (size_t)layer->geometry.in_channels, tile.output[v]);
    }
}

#endif
