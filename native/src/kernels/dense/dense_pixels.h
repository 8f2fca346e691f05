/* Dense products with pixels in the lanes: up to SB_FILTERS filters times SB_VECTORS vectors of
 * output pixels stay in registers over the taps of a chunk of channels; a tap is an aligned load,
 * a weight a broadcast. Order of work: chunks, groups of filters, tiles. Weights are read from
 * memory once, in order, and serve every tile from the first cache, through which the chunk of the
 * image passes. Sums of all chunks but the last wait in the output. */
#ifndef SB_KERNELS_DENSE_PIXELS_H
#define SB_KERNELS_DENSE_PIXELS_H

#include "../lane/finish.h"
#include "dense_runs.h"
#include "dense_weights.h"

/* A chunk of a group of filters: first of them within the convolution group, and how many. */
typedef struct sb_dense_block {
    const float *weights;
    sb_dense_runs runs;
    size_t chunk_begin; /* floats from a window to the chunk's first channel */
    size_t first, filters, group_filter;
    bool starts, ends; /* the sums */
} sb_dense_block;

/* count inputs one after the other; y stays in registers. */
SB_INLINE void sb_dense_run(const float *weights, size_t count, const float *const *windows,
                            size_t offset, int filters, sb_vector (*y)[SB_VECTORS]) {
    const float *inputs[SB_VECTORS];
#ifdef SB_MULTIPLIES_RUNS
    if (filters == SB_FILTERS) {
        sb_multiply_run(weights, count, windows, offset, y);
        return;
    }
#endif
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        inputs[v] = windows[v] + offset;
    for (size_t c = 0; c < count; ++c) {
        sb_vector x[SB_VECTORS];
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            x[v] = SB_LOAD(inputs[v] + c * SB_LANES);
        SB_UNROLL
        for (int f = 0; f < filters; ++f) {
            const sb_vector weight = SB_BROADCAST(weights[c * filters + f]);
            SB_UNROLL
            for (int v = 0; v < SB_VECTORS; ++v)
                y[f][v] = SB_ADD(y[f][v], SB_MULTIPLY(weight, x[v]));
        }
    }
}

/* The sums of a tile go to the output: through the epilogue, or to wait for the next chunk. One
 * copy of this code serves all numbers of filters. */
static void sb_dense_leave(const sb_layer *layer, const sb_dense_block *block, const sb_tile *tile,
                           const sb_vector (*sums)[SB_VECTORS]) {
    for (size_t f = 0; f < block->filters; ++f) {
        const size_t index = block->first + f;
        if (block->ends) {
            sb_finish_tile(&layer->epilogue, index, block->group_filter + index, tile, sums[f]);
            continue;
        }
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            SB_STORE(tile->output[v] + index * SB_LANES, sums[f][v]);
    }
}

/* The block over one tile; filters is block->filters, known to the compiler. */
SB_INLINE void sb_dense_tile(const sb_layer *layer, const sb_dense_block *block,
                             const sb_tile *tile, int filters) {
    const sb_dense_runs *runs = &block->runs;
    const float *weights = block->weights;
    sb_vector y[SB_FILTERS][SB_VECTORS];
    SB_UNROLL
    for (int f = 0; f < filters; ++f) {
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            y[f][v] = SB_BROADCAST(0.0f);
    }
    if (!block->starts) {
        SB_UNROLL
        for (int f = 0; f < filters; ++f) {
            SB_UNROLL
            for (int v = 0; v < SB_VECTORS; ++v)
                y[f][v] = SB_LOAD(tile->output[v] + (block->first + f) * SB_LANES);
        }
    }
    for (int32_t r = 0; r < runs->rows; ++r)
        for (int32_t s = 0; s < runs->per_row; ++s) {
            sb_dense_run(weights, runs->length, tile->window,
                         block->chunk_begin + r * runs->row_step + s * runs->run_step, filters, y);
            weights += runs->length * filters;
        }
    sb_vector sums[SB_FILTERS][SB_VECTORS];
    SB_UNROLL
    for (int f = 0; f < filters; ++f) {
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            sums[f][v] = y[f][v];
    }
    sb_dense_leave(layer, block, tile, (const sb_vector(*)[SB_VECTORS])sums);
}

SB_INLINE void sb_dense_tiles(const sb_layer *layer, const sb_operands *operands, int32_t group,
                              const sb_split *split, const sb_dense_block *block, int filters) {
    sb_cursor cursor = sb_cursor_at(&layer->output, split->first_tile);
    for (size_t t = split->first_tile; t < split->end_tile; ++t) {
        sb_tile tile;
        sb_aim(layer, operands, group, &cursor, &tile);
        sb_dense_tile(layer, block, &tile, filters);
    }
}

#define SB_DENSE_CASE(count)                                                                       \
    case count:                                                                                    \
        sb_dense_tiles(layer, operands, group, split, block,                                       \
                       count < SB_FILTERS ? count : SB_FILTERS);                                   \
        break;

static inline void sb_dense_sized(const sb_layer *layer, const sb_operands *operands, int32_t group,
                                  const sb_split *split, const sb_dense_block *block) {
    switch (block->filters) {
        SB_DENSE_CASE(1)
#if SB_FILTERS > 1
        SB_DENSE_CASE(2)
        SB_DENSE_CASE(3)
        SB_DENSE_CASE(4)
#endif
#if SB_FILTERS > 4
        SB_DENSE_CASE(5)
        SB_DENSE_CASE(6)
#endif
#if SB_FILTERS > 6
        SB_DENSE_CASE(7)
        SB_DENSE_CASE(8)
#endif
#if SB_FILTERS > 8
        SB_DENSE_CASE(9)
        SB_DENSE_CASE(10)
        SB_DENSE_CASE(11)
        SB_DENSE_CASE(12)
#endif
    }
}

static inline void sb_pixel_lanes_group(const sb_layer *layer, const sb_operands *operands,
                                        int32_t group, const sb_split *split,
                                        const sb_dense_cut *cut) {
    const float *weights = layer->weights + group * sb_dense_size(cut);
    sb_dense_block block;
    block.group_filter = group * cut->filters;
    for (size_t chunk = 0; chunk < cut->chunk_count; ++chunk) {
        block.runs = sb_plan_runs(layer, sb_dense_chunk_channels(cut, chunk));
        block.chunk_begin = chunk * cut->chunk * SB_LANES;
        block.starts = chunk == 0;
        block.ends = chunk + 1 == cut->chunk_count;
        for (size_t i = split->first_filters; i < split->end_filters; ++i) {
            block.weights = weights + sb_dense_offset(cut, chunk, i);
            block.first = sb_dense_first_filter(cut, i);
            block.filters = sb_dense_first_filter(cut, i + 1) - block.first;
            sb_dense_sized(layer, operands, group, split, &block);
        }
    }
}

#endif
