/* The bucket family over lane-blocked views. SB_LANES, SB_FILTERS and SB_VECTORS are set by the
 * kernel's file.
 *
 * Order of work: blocks of pixel tiles, chunks of channels, groups of filters, tiles. On small maps
 * a block is the whole map, so that a group's offsets are read from memory once and then serve
 * every tile from the first cache; on large maps it is one tile, whose inputs stay in the first
 * cache while all groups pass over them. Sums of all chunks but the last wait in the output. */
#ifndef SB_KERNELS_BUCKET_LAYER_H
#define SB_KERNELS_BUCKET_LAYER_H

#include "../lane/tile.h"
#include "walk.h"

/* Positions of a block at most; maps of up to so many positions per lane are one block. */
enum {
    SB_BLOCK_POSITIONS = 32,
    SB_BLOCK_TILES = (SB_BLOCK_POSITIONS + SB_VECTORS - 1) / SB_VECTORS
};

/* T: the sum of every input under the window, channels first (operands->totals), then pixels. */
static inline void sb_sum_windows(const sb_layer *layer, const float *totals, sb_tile *tile,
                                  sb_vector *sums) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t columns = (size_t)sb_view_columns(&layer->input);
    for (int v = 0; v < SB_VECTORS; ++v) {
        sb_vector sum = SB_BROADCAST(0.0f);
        for (int32_t r = 0; r < geometry->kernel_height; ++r)
            for (int32_t s = 0; s < geometry->kernel_width; ++s) {
                const size_t pixel = tile->pixel[v] +
                                     (size_t)r * geometry->dilation_height * columns +
                                     (size_t)s * geometry->dilation_width;
                sum = SB_ADD(sum, SB_LOAD(totals + pixel * SB_LANES));
            }
        sums[v] = sum;
    }
    tile->total = sums;
}

/* What one walk adds to, and whether it is the first or the last of its filters. */
typedef struct sb_walk_place {
    size_t group_filter; /* first filter of the convolution group */
    size_t chunk_begin;  /* floats from a window to the chunk's first channel */
    bool first, last;
} sb_walk_place;

/* Walks skip inputs whose weights are zero, so a NaN or infinity there would vanish. Therefore
 * T - T (zero where the window's sum T is finite, else NaN) is added to every sum: an output is
 * finite only if its whole window is, as in a product with zeros. */
SB_INLINE void sb_bucket_walk(const sb_layer *layer, const sb_bucket_group *group,
                              const sb_walk_place *place, const sb_tile *tile) {
    sb_vector y[SB_FILTERS][SB_VECTORS];
    const float *windows[SB_VECTORS];
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        windows[v] = tile->window[v] + place->chunk_begin;
    sb_walk_group(&layer->buckets, group, windows, y);
    for (int32_t f = 0; f < group->filters; ++f) {
        const size_t index = (size_t)group->first_filter + f;
        if (!place->first) {
            SB_UNROLL
            for (int v = 0; v < SB_VECTORS; ++v)
                y[f][v] = SB_ADD(y[f][v], SB_LOAD(tile->output[v] + index * SB_LANES));
        }
        if (!place->last) {
            SB_UNROLL
            for (int v = 0; v < SB_VECTORS; ++v)
                SB_STORE(tile->output[v] + index * SB_LANES, y[f][v]);
            continue;
        }
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            y[f][v] = SB_ADD(y[f][v], SB_SUBTRACT(tile->total[v], tile->total[v]));
        sb_finish_tile(&layer->epilogue, index, place->group_filter + index, tile, y[f]);
    }
}

/* All chunks and the share's groups of filters over one block of tiles. */
static inline void sb_bucket_block(const sb_layer *layer, int32_t group, const sb_split *split,
                                   const sb_tile *tiles, size_t tile_count) {
    const sb_bucket_weights *weights = &layer->buckets;
    sb_walk_place place;
    place.group_filter = (size_t)group * (layer->geometry.out_channels / layer->geometry.groups);
    for (int32_t chunk = 0; chunk < weights->chunk_count; ++chunk) {
        const sb_bucket_group *groups =
            weights->groups + ((size_t)group * weights->chunk_count + chunk) * weights->walk_groups;
        place.chunk_begin = (size_t)chunk * weights->chunk * SB_LANES;
        place.first = chunk == 0;
        place.last = chunk + 1 == weights->chunk_count;
        for (size_t i = split->first_filters; i < split->end_filters; ++i)
            for (size_t t = 0; t < tile_count; ++t)
                sb_bucket_walk(layer, groups + i, &place, tiles + t);
    }
}

static inline void sb_bucket_conv2d(const sb_layer *layer, const sb_operands *operands) {
    const size_t tile_count = sb_tile_count(&layer->output);
    const size_t block = tile_count <= SB_BLOCK_TILES ? tile_count : 1;
    const sb_split split = sb_divide(operands, tile_count, (size_t)layer->buckets.walk_groups);
    const size_t pixels =
        (size_t)sb_view_rows(&layer->input) * sb_view_columns(&layer->input) * SB_LANES;
    sb_tile tiles[SB_BLOCK_TILES];
    sb_vector sums[SB_BLOCK_TILES][SB_VECTORS];
    for (int32_t group = 0; group < layer->geometry.groups; ++group) {
        sb_cursor cursor = sb_cursor_at(&layer->output, split.first_tile);
        for (size_t first = split.first_tile; first < split.end_tile; first += block) {
            const size_t left = split.end_tile - first, count = left < block ? left : block;
            for (size_t t = 0; t < count; ++t) {
                sb_aim(layer, operands, group, &cursor, tiles + t);
                sb_sum_windows(layer, operands->totals + group * pixels, tiles + t, sums[t]);
            }
            sb_bucket_block(layer, group, &split, tiles, count);
        }
    }
}

#endif
