/* Every code looked up in a table of 256: of codes, or of float32 numbers. */
#ifndef SB_KERNELS_LOOK_UP_H
#define SB_KERNELS_LOOK_UP_H

#include "../lane/tile.h"

static inline void sb_look_up_codes(const sb_code *table, const sb_element *codes,
                                    sb_element *output, size_t count) {
    SB_UNROLL
    for (size_t i = 0; i < count; ++i)
        output[i] = table[codes[i]];
}

static inline void sb_look_up_numbers(const float *table, const sb_element *codes, float *output,
                                      size_t count) {
    SB_UNROLL
    for (size_t i = 0; i < count; ++i)
        output[i] = table[codes[i]];
}

/* `count` elements from those addresses on. */
static inline void sb_look_up_run(const sb_layer *layer, const sb_element *codes, void *output,
                                  size_t count) {
    if (layer->epilogue.requantize.floats)
        sb_look_up_numbers(layer->table, codes, output, count);
    else
        sb_look_up_codes(layer->table, codes, output, count);
}

static inline void sb_look_up_elements(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t step = layer->epilogue.requantize.floats ? sizeof(float) : sizeof(sb_element);
    const size_t elements =
        (size_t)geometry->in_channels * geometry->in_height * geometry->in_width;
    size_t begin, end;
    sb_take_share(operands, elements, &begin, &end);
    sb_look_up_run(layer, (const sb_element *)operands->input + begin,
                   (char *)operands->output + begin * step, end - begin);
}

static inline void sb_look_up_pixels(const sb_layer *layer, const sb_operands *operands) {
    const size_t count = (size_t)layer->geometry.in_channels * SB_LANES;
    size_t begin, end;
    sb_take_share(operands, sb_tile_count(&layer->output), &begin, &end);
    sb_cursor cursor = sb_cursor_at(&layer->output, begin);
    for (size_t t = begin; t < end; ++t) {
        sb_tile tile;
        sb_aim(layer, operands, 0, &cursor, &tile);
        for (int v = 0; v < SB_VECTORS; ++v) {
            void *output = tile.floats[v] ? (void *)tile.floats[v] : (void *)tile.output[v];
            sb_look_up_run(layer, tile.window[v], output, count);
        }
    }
}

static inline void sb_direct_look_up(const sb_layer *layer, const sb_operands *operands) {
    if (layer->output.lanes)
        sb_look_up_pixels(layer, operands);
    else
        sb_look_up_elements(layer, operands);
}

#endif
