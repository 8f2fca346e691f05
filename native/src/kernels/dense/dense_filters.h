/* Dense products with filters in the lanes, for small maps, whose pixels do not fill whole vectors:
 * up to SB_FILTERS output pixels times SB_VECTORS vectors of filters stay in registers; a weight is
 * a load, an input a broadcast. Order of work: groups of filters, chunks, tiles of pixels. Sums
 * wait in scratch, [position][lane][filter of the group], and are turned into vectors of pixels
 * for the epilogue. */
#ifndef SB_KERNELS_DENSE_FILTERS_H
#define SB_KERNELS_DENSE_FILTERS_H

#include "../lane/finish.h"
#include "../lane/transpose.h"
#include "dense_runs.h"
#include "dense_weights.h"

#include <string.h>

enum { SB_GROUP_FILTERS = SB_VECTORS * SB_LANES };

/* Of more tiles, what the first one waits for hardly counts. */
enum { SB_FEW_TILES = 8 };

/* The pixels of a share that lie in the image: floats from the input to the first of the window,
 * and the slot of its sums. */
typedef struct sb_pixel_list {
    size_t count;
    size_t window[SB_DENSE_MOST_PIXELS];
    uint16_t slot[SB_DENSE_MOST_PIXELS];
} sb_pixel_list;

/* sums: scratch; that of lanes outside the image is set to zero and stays so. */
static inline void sb_list_pixels(const sb_layer *layer, const sb_split *split, float *sums,
                                  sb_pixel_list *list) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_view *input = &layer->input, *output = &layer->output;
    const size_t positions = (size_t)output->block_height * output->block_width;
    size_t position = split->first_tile * SB_VECTORS, end = split->end_tile * SB_VECTORS;
    list->count = 0;
    for (end = end < positions ? end : positions; position < end; ++position) {
        const int32_t y = (int32_t)(position / output->block_width);
        const int32_t x = (int32_t)(position % output->block_width);
        const size_t pixel =
            sb_view_pixel(input, y * geometry->stride_height - geometry->padding_top,
                          x * geometry->stride_width - geometry->padding_left);
        for (int32_t lane = 0; lane < SB_LANES; ++lane) {
            const size_t slot = position * SB_LANES + lane;
            if (sb_view_image_row(output, lane, y) >= geometry->out_height ||
                sb_view_image_column(output, lane, x) >= geometry->out_width) {
                memset(sums + slot * SB_GROUP_FILTERS, 0, SB_GROUP_FILTERS * sizeof *sums);
                continue;
            }
            list->window[list->count] = pixel * input->pitch * SB_LANES + lane;
            list->slot[list->count++] = (uint16_t)slot;
        }
    }
}

/* A chunk of a group of filters. ahead: floats from a weight to what the second cache should have
 * soon, 0 where that is nothing: the weights of the next chunk, while the last tile passes. Else
 * the first tile of every chunk waits for them, a seventh of the time of 512 filters of 7x7. */
typedef struct sb_filter_block {
    const float *weights, *input; /* input: channel 0 of the chunk in the view's first pixel */
    float *sums;
    sb_dense_runs runs;
    bool starts;
    size_t ahead;
} sb_filter_block;

#if defined(__GNUC__) && !defined(SB_PLAIN_C)
#define SB_FETCH_AHEAD(address) __builtin_prefetch((address), 0, 2)
#else
#define SB_FETCH_AHEAD(address) ((void)(address))
#endif

static inline void sb_fetch_ahead(const float *weights, size_t count) {
    for (size_t i = 0; i < count; i += SB_LINE_BYTES / sizeof *weights)
        SB_FETCH_AHEAD(weights + i);
}

/* length inputs one after the other; y stays in registers. */
SB_INLINE const float *sb_filter_run(const float *weights, const float *const *pixels,
                                     size_t offset, size_t length, int count,
                                     sb_vector (*y)[SB_VECTORS]) {
#ifdef SB_MULTIPLIES_RUNS
    return sb_multiply_pixels(weights, pixels, offset, length, count, y);
#else
    for (const size_t end = offset + length * SB_LANES; offset < end; offset += SB_LANES) {
        sb_vector weight[SB_VECTORS];
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v, weights += SB_LANES)
            weight[v] = SB_LOAD(weights);
        SB_UNROLL
        for (int p = 0; p < count; ++p) {
            const sb_vector x = SB_BROADCAST(pixels[p][offset]);
            SB_UNROLL
            for (int v = 0; v < SB_VECTORS; ++v)
                y[p][v] = SB_ADD(y[p][v], SB_MULTIPLY(weight[v], x));
        }
    }
    return weights;
#endif
}

/* The block over `count` pixels, known to the compiler. */
SB_INLINE void sb_filter_tile(const sb_filter_block *block, const sb_pixel_list *list, size_t first,
                              int count) {
    const sb_dense_runs runs = block->runs;
    const float *weights = block->weights, *pixels[SB_FILTERS];
    sb_vector y[SB_FILTERS][SB_VECTORS];
    SB_UNROLL
    for (int p = 0; p < count; ++p) {
        const float *sums = block->sums + (size_t)list->slot[first + p] * SB_GROUP_FILTERS;
        pixels[p] = block->input + list->window[first + p];
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            y[p][v] = block->starts ? SB_BROADCAST(0.0f) : SB_LOAD(sums + (size_t)v * SB_LANES);
    }
    for (int32_t r = 0; r < runs.rows; ++r)
        for (int32_t s = 0; s < runs.per_row; ++s) {
            if (block->ahead)
                sb_fetch_ahead(weights + block->ahead, runs.length * SB_GROUP_FILTERS);
            weights = sb_filter_run(weights, pixels, r * runs.row_step + s * runs.run_step,
                                    runs.length, count, y);
        }
    SB_UNROLL
    for (int p = 0; p < count; ++p) {
        float *sums = block->sums + (size_t)list->slot[first + p] * SB_GROUP_FILTERS;
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            SB_STORE(sums + (size_t)v * SB_LANES, y[p][v]);
    }
}

/* A function of its own for every number of pixels, so that the pointers to them stay in registers
 * too. */
#define SB_FILTER_TILE(count)                                                                      \
    SB_NOINLINE void sb_filter_tile_##count(const sb_filter_block *block,                          \
                                            const sb_pixel_list *list, size_t first) {             \
        sb_filter_tile(block, list, first, count);                                                 \
    }
SB_FILTER_TILE(1)
#if SB_FILTERS > 1
SB_FILTER_TILE(2)
SB_FILTER_TILE(3)
SB_FILTER_TILE(4)
#endif
#if SB_FILTERS > 4
SB_FILTER_TILE(5)
SB_FILTER_TILE(6)
#endif
#if SB_FILTERS > 6
SB_FILTER_TILE(7)
SB_FILTER_TILE(8)
#endif
#if SB_FILTERS > 8
SB_FILTER_TILE(9)
SB_FILTER_TILE(10)
SB_FILTER_TILE(11)
SB_FILTER_TILE(12)
#endif

#define SB_FILTER_CASE(count)                                                                      \
    case count:                                                                                    \
        sb_filter_tile_##count(block, list, first);                                                \
        break;

/* All pixels of the share, in tiles of nearly equal size. */
static inline void sb_filter_tiles(sb_filter_block *block, const sb_pixel_list *list) {
    const size_t tiles = sb_divide_up(list->count, SB_FILTERS);
    const size_t ahead = tiles <= SB_FEW_TILES ? block->ahead : 0;
    for (size_t t = 0; t < tiles; ++t) {
        block->ahead = t + 1 == tiles ? ahead : 0;
        const size_t first = list->count * t / tiles;
        switch (list->count * (t + 1) / tiles - first) {
            SB_FILTER_CASE(1)
#if SB_FILTERS > 1
            SB_FILTER_CASE(2)
            SB_FILTER_CASE(3)
            SB_FILTER_CASE(4)
#endif
#if SB_FILTERS > 4
            SB_FILTER_CASE(5)
            SB_FILTER_CASE(6)
#endif
#if SB_FILTERS > 6
            SB_FILTER_CASE(7)
            SB_FILTER_CASE(8)
#endif
#if SB_FILTERS > 8
            SB_FILTER_CASE(9)
            SB_FILTER_CASE(10)
            SB_FILTER_CASE(11)
            SB_FILTER_CASE(12)
#endif
        }
    }
}

/* The sums of a position, [lane][filter], as turned[filter][lane]. */
static inline void sb_turn_position(const float *sums, sb_vector *turned) {
    for (int begin = 0; begin < SB_GROUP_FILTERS; begin += SB_LANES) {
        SB_UNROLL
        for (int lane = 0; lane < SB_LANES; ++lane)
            turned[begin + lane] = SB_LOAD(sums + (size_t)lane * SB_GROUP_FILTERS + begin);
        sb_transpose(turned + begin);
    }
}

/* Filters [first, first + count) of a convolution group from scratch through the epilogue. */
static inline void sb_turn_filters(const sb_layer *layer, const sb_operands *operands,
                                   int32_t group, const sb_split *split, size_t first,
                                   size_t count) {
    const size_t last = (size_t)layer->output.block_height * layer->output.block_width - 1;
    const size_t group_filter =
        (size_t)group * (layer->geometry.out_channels / layer->geometry.groups);
    const float *sums = operands->scratch;
    sb_cursor cursor = sb_cursor_at(&layer->output, split->first_tile);
    for (size_t t = split->first_tile; t < split->end_tile; ++t) {
        sb_vector turned[SB_VECTORS][SB_GROUP_FILTERS];
        sb_tile tile;
        sb_aim(layer, operands, group, &cursor, &tile);
        for (size_t v = 0; v < SB_VECTORS; ++v) {
            const size_t position = t * SB_VECTORS + v < last ? t * SB_VECTORS + v : last;
            sb_turn_position(sums + position * SB_LANES * SB_GROUP_FILTERS, turned[v]);
        }
        for (size_t f = 0; f < count; ++f) {
            sb_vector y[SB_VECTORS];
            SB_UNROLL
            for (int v = 0; v < SB_VECTORS; ++v)
                y[v] = turned[v][f];
            sb_finish_tile(&layer->epilogue, first + f, group_filter + first + f, &tile, y);
        }
    }
}

static inline void sb_filter_lanes_group(const sb_layer *layer, const sb_operands *operands,
                                         int32_t group, const sb_split *split,
                                         const sb_dense_cut *cut) {
    const float *weights = layer->weights + group * sb_dense_size(cut);
    const float *input = operands->input;
    sb_pixel_list list;
    sb_filter_block block;
    sb_list_pixels(layer, split, operands->scratch, &list);
    block.sums = operands->scratch;
    for (size_t i = split->first_filters; i < split->end_filters; ++i) {
        const size_t first = sb_dense_first_filter(cut, i);
        for (size_t chunk = 0; chunk < cut->chunk_count; ++chunk) {
            block.weights = weights + sb_dense_offset(cut, chunk, i);
            block.input = input + (group * cut->channels + chunk * cut->chunk) * SB_LANES;
            block.runs = sb_plan_runs(layer, sb_dense_chunk_channels(cut, chunk));
            block.starts = chunk == 0;
            block.ahead = i + 1 < split->end_filters || chunk + 1 < cut->chunk_count
                              ? cut->widest * cut->taps * sb_dense_chunk_channels(cut, chunk)
                              : 0;
            sb_filter_tiles(&block, &list);
        }
        sb_turn_filters(layer, operands, group, split, first,
                        sb_dense_first_filter(cut, i + 1) - first);
    }
}

#endif
