/* z = act(scale[c] * x * y + bias[c]) + post_bias[c]; of codes A = (q - zero) * (r - zero).
 * The second operand may be smaller: whole[0] says how. It is never made as large as the first. */
#ifndef SB_KERNELS_MULTIPLY_H
#define SB_KERNELS_MULTIPLY_H

#include "../factor.h"
#include "../lane/finish.h"

#ifdef SB_CODES
SB_INLINE sb_total sb_product(const sb_layer *layer, sb_vector x, sb_vector y) {
    const sb_requantize *requantize = &layer->epilogue.requantize;
    sb_total product = sb_shift_sums(sb_widen(x), -requantize->input_zero);
    const sb_total factor = sb_shift_sums(sb_widen(y), -requantize->residual_zero);
    for (int p = 0; p < SB_PARTS; ++p)
        product.part[p] *= factor.part[p];
    return product;
}
#else
SB_INLINE sb_total sb_product(const sb_layer *layer, sb_vector x, sb_vector y) {
    (void)layer;
    return SB_MULTIPLY(x, y);
}
#endif

/* A factor of every pixel and channel, or of every pixel. */
static inline void sb_multiply_by_vectors(const sb_layer *layer, sb_tile *tile,
                                          const sb_element *const *factors, size_t step) {
    for (size_t c = 0; c < (size_t)layer->geometry.in_channels; ++c) {
        sb_total z[SB_VECTORS];
        for (int v = 0; v < SB_VECTORS; ++v)
            z[v] = sb_product(layer, SB_LOAD(tile->window[v] + c * SB_LANES),
                              SB_LOAD(factors[v] + c * step));
        sb_finish_tile(&layer->epilogue, c, c, tile, z);
    }
}

/* A factor of every channel, or one. */
static inline void sb_multiply_by_numbers(const sb_layer *layer, sb_tile *tile,
                                          const sb_element *factors, size_t step) {
    for (size_t c = 0; c < (size_t)layer->geometry.in_channels; ++c) {
        const sb_vector factor = SB_BROADCAST(factors[c * step]);
        sb_total z[SB_VECTORS];
        for (int v = 0; v < SB_VECTORS; ++v)
            z[v] = sb_product(layer, SB_LOAD(tile->window[v] + c * SB_LANES), factor);
        sb_finish_tile(&layer->epilogue, c, c, tile, z);
    }
}

static inline void sb_direct_multiply(const sb_layer *layer, const sb_operands *operands) {
    const sb_factor factor = (sb_factor)layer->whole[0];
    size_t begin, end;
    sb_take_share(operands, sb_tile_count(&layer->output), &begin, &end);
    sb_cursor cursor = sb_cursor_at(&layer->output, begin);
    for (size_t t = begin; t < end; ++t) {
        const sb_element *factors[SB_VECTORS];
        sb_tile tile;
        sb_aim(layer, operands, 0, &cursor, &tile);
        for (int v = 0; v < SB_VECTORS; ++v) {
            factors[v] = tile.residual[v];
            tile.residual[v] = NULL;
        }
        if (factor == SB_FACTOR_SAME || factor == SB_FACTOR_OF_PIXEL)
            sb_multiply_by_vectors(layer, &tile, factors, factor == SB_FACTOR_SAME ? SB_LANES : 0);
        else
            sb_multiply_by_numbers(layer, &tile, operands->residual,
                                   factor == SB_FACTOR_OF_CHANNEL ? 1 : 0);
    }
}

#endif
