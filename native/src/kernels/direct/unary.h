/* y = f(x) of every element, f one of functions.def. real: alpha, where f takes it. */
#ifndef SB_KERNELS_UNARY_H
#define SB_KERNELS_UNARY_H

#include "../lane/tile.h"
#include "functions.h"

/* A function on `count` vectors, which y may begin with x. */
typedef void (*sb_run_function)(const float *x, float *y, size_t count, float alpha);

#define SB_FUNCTION(name, takes_alpha)                                                             \
    SB_NOINLINE void sb_run_##name(const float *x, float *y, size_t count, float alpha) {          \
        for (size_t i = 0; i < count * SB_LANES; i += SB_LANES)                                    \
            SB_STORE(y + i, sb_function_##name(SB_LOAD(x + i), alpha));                            \
    }
#include "functions.def"
#undef SB_FUNCTION

#define SB_FUNCTION(name, takes_alpha) [SB_FUNCTION_##name] = sb_run_##name,
static const sb_run_function SB_RUN_FUNCTIONS[SB_FUNCTION_COUNT] = {
#include "functions.def"
};
#undef SB_FUNCTION

/* Vectors of a plain value that are taken at once, through memory that is aligned. */
enum { SB_TAKEN_VECTORS = 16 };

/* Plain values: elements in any order. */
static inline void sb_unary_elements(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t elements =
        (size_t)geometry->in_channels * geometry->in_height * geometry->in_width;
    const size_t taken = (size_t)SB_TAKEN_VECTORS * SB_LANES;
    const float *input = operands->input;
    float *output = operands->output;
    sb_vector held[SB_TAKEN_VECTORS];
    size_t begin, end;
    sb_take_share(operands, (elements + taken - 1) / taken, &begin, &end);
    memset(held, 0, sizeof held);
    for (size_t at = begin * taken; at < end * taken; at += taken) {
        const size_t count = elements - at < taken ? elements - at : taken;
        memcpy(held, input + at, count * sizeof *input);
        SB_RUN_FUNCTIONS[layer->function]((float *)held, (float *)held,
                                          (count + SB_LANES - 1) / SB_LANES, layer->real[0]);
        memcpy(output + at, held, count * sizeof *output);
    }
}

/* Lane-blocked values: all channels of a pixel lie one after the other. */
static inline void sb_unary_pixels(const sb_layer *layer, const sb_operands *operands) {
    size_t begin, end;
    sb_take_share(operands, sb_tile_count(&layer->output), &begin, &end);
    sb_cursor cursor = sb_cursor_at(&layer->output, begin);
    for (size_t t = begin; t < end; ++t) {
        sb_tile tile;
        sb_aim(layer, operands, 0, &cursor, &tile);
        for (int v = 0; v < SB_VECTORS; ++v)
            SB_RUN_FUNCTIONS[layer->function](tile.window[v], tile.output[v],
                                              (size_t)layer->geometry.in_channels, layer->real[0]);
    }
}

static inline void sb_direct_unary(const sb_layer *layer, const sb_operands *operands) {
    if (layer->output.lanes)
        sb_unary_pixels(layer, operands);
    else
        sb_unary_elements(layer, operands);
}

#endif
