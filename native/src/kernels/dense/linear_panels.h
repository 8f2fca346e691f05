/* y = W x with filters in the lanes: up to SB_FILTERS images times SB_VECTORS vectors of filters
 * stay in registers; a weight is a load, an input a broadcast. Every sum adds its inputs in their
 * order, whatever the batch. weights: panels, see dense_weights.h. The weights of a chunk of inputs
 * stay in a near cache while all images of a strip pass; sums wait in scratch meanwhile,
 * [panel][image][filter], with 16 floats to the next image behind them where rows of inputs are
 * copied: those whose distance is a multiple of a page would all lie in the same cache lines. */
#ifndef SB_KERNELS_DENSE_LINEAR_PANELS_H
#define SB_KERNELS_DENSE_LINEAR_PANELS_H

#include "../epilogue.h"
#include "../lane/plain.h"
#include "dense_weights.h"

enum { SB_PANEL = SB_VECTORS * SB_LANES };

/* Panels of an image that is alone, and of two: additions to few sums would wait for each other. */
enum { SB_PANELS_OF_ONE = SB_LINEAR_PANELS, SB_PANELS_OF_TWO = 2 };

/* Some inputs of a strip of images, and their weights in the first of some panels. */
typedef struct sb_panel_run {
    const float *weights, *input;
    float *sums;
    size_t panel_step, row_step, length; /* floats to the next panel and image; inputs */
    bool opens, half;                    /* half: one vector of filters, the others are not there */
} sb_panel_run;

/* Floats to vector i of the sums of images that have so many each. */
SB_INLINE size_t sb_panel_sum(int i, int vectors) {
    return (size_t)(i / vectors) * SB_PANEL + (size_t)(i % vectors) * SB_LANES;
}

/* Images [first, first + images) of a strip and so many vectors of a few panels, known to the
 * compiler. */
SB_INLINE void sb_multiply_panels(int images, int panels, int vectors, const sb_panel_run *run,
                                  size_t first) {
    sb_vector y[SB_FILTERS > SB_PANELS_OF_ONE ? SB_FILTERS : SB_PANELS_OF_ONE][SB_VECTORS];
    const float *weights[SB_PANELS_OF_ONE], *input[SB_FILTERS];
    float *sums[SB_PANELS_OF_ONE];
    SB_UNROLL
    for (int i = 0; i < images; ++i)
        input[i] = run->input + (first + i) * run->row_step;
    SB_UNROLL
    for (int p = 0; p < panels; ++p) {
        weights[p] = run->weights + p * run->panel_step;
        sums[p] = run->sums + (p * SB_LINEAR_STRIP + first) * SB_PANEL;
        SB_UNROLL
        for (int i = 0; i < images * vectors; ++i)
            y[p * images + i / vectors][i % vectors] =
                run->opens ? SB_BROADCAST(0.0f) : SB_LOAD(sums[p] + sb_panel_sum(i, vectors));
    }
    for (size_t c = 0; c < run->length; ++c) {
        SB_UNROLL
        for (int p = 0; p < panels; ++p) {
            sb_vector weight[SB_VECTORS];
            SB_UNROLL
            for (int v = 0; v < vectors; ++v)
                weight[v] = SB_LOAD(weights[p] + c * SB_PANEL + (size_t)v * SB_LANES);
            SB_UNROLL
            for (int i = 0; i < images; ++i) {
                const sb_vector x = SB_BROADCAST(input[i][c]);
                SB_UNROLL
                for (int v = 0; v < vectors; ++v)
                    y[p * images + i][v] = SB_ADD(y[p * images + i][v], SB_MULTIPLY(weight[v], x));
            }
        }
    }
    SB_UNROLL
    for (int p = 0; p < panels; ++p) {
        SB_UNROLL
        for (int i = 0; i < images * vectors; ++i)
            SB_STORE(sums[p] + sb_panel_sum(i, vectors), y[p * images + i / vectors][i % vectors]);
    }
}

/* A function of its own for every number of images, so that the pointers to them stay in registers
 * too. */
#define SB_PANEL_TILE(images, panels)                                                              \
    SB_NOINLINE void sb_panel_tile_##images##_##panels(const sb_panel_run *run, size_t first) {    \
        sb_multiply_panels(images, panels, SB_VECTORS, run, first);                                \
    }
#define SB_PANEL_HALF(images)                                                                      \
    SB_NOINLINE void sb_panel_half_##images(const sb_panel_run *run, size_t first) {               \
        sb_multiply_panels(images, 1, 1, run, first);                                              \
    }
#define SB_PANEL_TILES(images) SB_PANEL_TILE(images, 1) SB_PANEL_HALF(images)
SB_PANEL_TILE(1, 4)
SB_PANEL_TILE(2, 2)
SB_PANEL_TILES(1)
SB_PANEL_TILES(2)
SB_PANEL_TILES(3)
SB_PANEL_TILES(4)
SB_PANEL_TILES(5)
SB_PANEL_TILES(6)
#if SB_FILTERS > 6
SB_PANEL_TILES(7)
SB_PANEL_TILES(8)
SB_PANEL_TILES(9)
SB_PANEL_TILES(10)
SB_PANEL_TILES(11)
SB_PANEL_TILES(12)
#endif
_Static_assert(SB_FILTERS == 6 || SB_FILTERS == 12, "there is a function for every tile");

/* All images of a strip, in tiles of nearly equal size. */
static inline void sb_panel_tiles(const sb_panel_run *run, size_t images, size_t panels) {
    static void (*const functions[])(const sb_panel_run *, size_t) = {
        sb_panel_tile_1_1,  sb_panel_tile_2_1,  sb_panel_tile_3_1,
        sb_panel_tile_4_1,  sb_panel_tile_5_1,  sb_panel_tile_6_1,
#if SB_FILTERS > 6
        sb_panel_tile_7_1,  sb_panel_tile_8_1,  sb_panel_tile_9_1,
        sb_panel_tile_10_1, sb_panel_tile_11_1, sb_panel_tile_12_1,
#endif
    };
    static void (*const halves[])(const sb_panel_run *, size_t) = {
        sb_panel_half_1,  sb_panel_half_2,  sb_panel_half_3,
        sb_panel_half_4,  sb_panel_half_5,  sb_panel_half_6,
#if SB_FILTERS > 6
        sb_panel_half_7,  sb_panel_half_8,  sb_panel_half_9,
        sb_panel_half_10, sb_panel_half_11, sb_panel_half_12,
#endif
    };
    const size_t tiles = sb_divide_up(images, SB_FILTERS);
    if (panels == SB_PANELS_OF_ONE)
        sb_panel_tile_1_4(run, 0);
    else if (panels == SB_PANELS_OF_TWO)
        sb_panel_tile_2_2(run, 0);
    else
        for (size_t t = 0; t < tiles; ++t) {
            const size_t first = images * t / tiles;
            (run->half ? halves : functions)[images * (t + 1) / tiles - first - 1](run, first);
        }
}

/* sb_finish for neighbouring filters of one image, [channel, channel + count). */
static inline void sb_finish_filters_of(const sb_epilogue *epilogue, size_t channel, size_t count,
                                        const float *residual, float *values) {
    if (epilogue->scale)
        for (size_t i = 0; i < count; ++i)
            values[i] *= epilogue->scale[channel + i];
    if (epilogue->bias)
        for (size_t i = 0; i < count; ++i)
            values[i] += epilogue->bias[channel + i];
    if (residual)
        for (size_t i = 0; i < count; ++i)
            values[i] += residual[i];
    if (epilogue->activation == SB_ACT_LEAKY_RELU)
        for (size_t i = 0; i < count; ++i)
            sb_activate(epilogue, channel + i, values + i, 1);
    else
        sb_activate(epilogue, channel, values, count);
    if (epilogue->post_bias)
        for (size_t i = 0; i < count; ++i)
            values[i] += epilogue->post_bias[channel + i];
}

/* What is told of every filter of a panel: its vectors, and whether they are there. */
typedef struct sb_panel_chain {
    sb_vector scale[SB_VECTORS], bias[SB_VECTORS], post_bias[SB_VECTORS];
    bool has_scale, has_bias, has_post_bias;
} sb_panel_chain;

static inline sb_panel_chain sb_load_panel_chain(const sb_epilogue *epilogue, size_t channel) {
    sb_panel_chain chain = {.has_scale = epilogue->scale != NULL,
                            .has_bias = epilogue->bias != NULL,
                            .has_post_bias = epilogue->post_bias != NULL};
    for (size_t v = 0; v < SB_VECTORS; ++v, channel += SB_LANES) {
        if (chain.has_scale)
            chain.scale[v] = sb_load_any(epilogue->scale + channel);
        if (chain.has_bias)
            chain.bias[v] = sb_load_any(epilogue->bias + channel);
        if (chain.has_post_bias)
            chain.post_bias[v] = sb_load_any(epilogue->post_bias + channel);
    }
    return chain;
}

SB_INLINE sb_vector sb_activate_panel(const sb_epilogue *epilogue, sb_vector y) {
    const sb_vector zero = SB_BROADCAST(0.0f);
    if (epilogue->activation == SB_ACT_RELU)
        return SB_SELECT_LESS(y, zero, zero, y);
    if (epilogue->activation == SB_ACT_CLAMP) {
        const sb_vector low = SB_BROADCAST(epilogue->low), high = SB_BROADCAST(epilogue->high);
        y = SB_SELECT_LESS(y, low, low, y);
        return SB_SELECT_LESS(high, y, high, y);
    }
    return y;
}

/* sb_finish_filters_of for a whole panel whose activation has no slope, by the vector. */
static inline void sb_finish_panel_of(const sb_epilogue *epilogue, const sb_panel_chain *chain,
                                      const float *sums, const float *residual, float *output) {
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v) {
        sb_vector y = SB_LOAD(sums + v * SB_LANES);
        if (chain->has_scale)
            y = SB_MULTIPLY(y, chain->scale[v]);
        if (chain->has_bias)
            y = SB_ADD(y, chain->bias[v]);
        if (residual)
            y = SB_ADD(y, sb_load_any(residual + v * SB_LANES));
        y = sb_activate_panel(epilogue, y);
        if (chain->has_post_bias)
            y = SB_ADD(y, chain->post_bias[v]);
        sb_store_any(output + v * SB_LANES, y);
    }
}

/* One panel for all images of a strip. sums: [image][filter]. */
static inline void sb_finish_panel(const sb_layer *layer, const sb_operands *operands,
                                   const float *sums, size_t first, size_t images, size_t channel) {
    const sb_epilogue *epilogue = &layer->epilogue;
    const size_t filters = (size_t)layer->geometry.out_channels;
    const float *residual = operands->residual;
    float *output = operands->output;
    const sb_panel_chain chain = sb_load_panel_chain(epilogue, channel);
    for (size_t i = 0; i < images; ++i) {
        const size_t index = (first + i) * filters + channel;
        sb_finish_panel_of(epilogue, &chain, sums + i * SB_PANEL,
                           residual ? residual + index : NULL, output + index);
    }
}

/* The sums of some panels from scratch through the epilogue; first: the first image of the strip,
 * panel: the first panel. */
static inline void sb_finish_panels(const sb_layer *layer, const sb_operands *operands,
                                    const float *sums, size_t first, size_t images, size_t panel,
                                    size_t panels) {
    const size_t filters = (size_t)layer->geometry.out_channels;
    const float *residual = operands->residual;
    float *output = operands->output;
    for (size_t p = 0; p < panels; ++p, sums += SB_LINEAR_STRIP * SB_PANEL) {
        const size_t channel = (panel + p) * SB_PANEL, left = filters - channel;
        const size_t count = left < SB_PANEL ? left : SB_PANEL;
        if (count == SB_PANEL && layer->epilogue.activation != SB_ACT_LEAKY_RELU) {
            sb_finish_panel(layer, operands, sums, first, images, channel);
            continue;
        }
        for (size_t i = 0; i < images; ++i) {
            const size_t index = (first + i) * filters + channel;
            memcpy(output + index, sums + i * SB_PANEL, count * sizeof *output);
            sb_finish_filters_of(&layer->epilogue, channel, count,
                                 residual ? residual + index : NULL, output + index);
        }
    }
}

/* The inputs of a strip, where they are or copied to scratch. */
static inline void sb_aim_panels(const sb_layer *layer, const float *input, size_t images,
                                 float *copies, sb_panel_run *run) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    run->row_step = channels;
    run->input = input;
    if (!sb_rows_collide(channels) || images <= SB_LINEAR_WAYS)
        return;
    run->row_step = channels + SB_LINEAR_APART;
    for (size_t i = 0; i < images; ++i)
        memcpy(copies + i * run->row_step, input + i * channels, channels * sizeof *copies);
    run->input = copies;
}

static inline void sb_dense_linear(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    const size_t filters = (size_t)layer->geometry.out_channels;
    const size_t chunk = sb_linear_chunk(SB_PANEL);
    float *scratch = operands->scratch;
    size_t begin, end;
    sb_take_share(operands, sb_divide_up(filters, SB_PANEL), &begin, &end);
    for (size_t n = 0; n < operands->batch; n += SB_LINEAR_STRIP) {
        const size_t left = operands->batch - n;
        const size_t images = left < SB_LINEAR_STRIP ? left : SB_LINEAR_STRIP;
        const size_t most = images == 1 ? SB_PANELS_OF_ONE : images == 2 ? SB_PANELS_OF_TWO : 1;
        sb_panel_run strip = {.sums = scratch, .panel_step = channels * SB_PANEL};
        sb_aim_panels(layer, (const float *)operands->input + n * channels, images,
                      scratch + SB_PANELS_OF_ONE * SB_LINEAR_STRIP * SB_PANEL, &strip);
        for (size_t p = begin, panels; p < end; p += panels) {
            panels = end - p < most ? 1 : most;
            for (size_t c = 0; c < channels; c += chunk) {
                sb_panel_run run = strip;
                run.weights = layer->weights + (p * channels + c) * SB_PANEL;
                run.input = strip.input + c;
                run.length = channels - c < chunk ? channels - c : chunk;
                run.opens = c == 0;
                run.half = filters - p * SB_PANEL <= SB_LANES;
                sb_panel_tiles(&run, images, panels);
            }
            sb_finish_panels(layer, operands, scratch, n, images, p, panels);
        }
    }
}

#endif
