/* The bucket family over lane-blocked views. SB_LANES, SB_FILTERS and SB_VECTORS stand in the
 * kernel's row.
 *
 * Order of work: blocks of pixel tiles, chunks of channels, groups of filters, tiles. Sums of
 * filters that further walks add to wait in the output, those of codes in scratch. */
#ifndef SB_KERNELS_BUCKET_CONV2D_H
#define SB_KERNELS_BUCKET_CONV2D_H

#include "collect.h"
#include "walk.h"
#include "window_totals.h"

enum { SB_BLOCK_TILES = (SB_BLOCK_POSITIONS + SB_VECTORS - 1) / SB_VECTORS };

/* One walk over one tile. */
SB_INLINE void sb_bucket_walk(const sb_layer *layer, const sb_bucket_group *group,
                              size_t chunk_begin, const sb_collector *collector,
                              const sb_tile *tile) {
    sb_vector y[SB_FILTERS][SB_VECTORS];
    const sb_element *windows[SB_VECTORS];
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        windows[v] = tile->window[v] + chunk_begin;
    sb_walk_group(&layer->buckets, group, windows, y);
    for (int32_t f = 0; f < group->filters; ++f)
        sb_collect(layer, collector, group, f, y[f], tile);
}

/* The walks of a run of walk groups in one chunk, over one block of tiles. */
static inline void sb_bucket_chunk(const sb_layer *layer, const size_t *starts,
                                   const sb_split *split, size_t chunk_begin,
                                   sb_collector collector, const sb_tile *tiles,
                                   size_t tile_count) {
    const sb_bucket_weights *weights = &layer->buckets;
    for (size_t i = starts[split->first_filters]; i < starts[split->end_filters]; ++i)
        for (size_t t = 0; t < tile_count; ++t) {
            collector.tile = t;
            sb_bucket_walk(layer, weights->groups + i, chunk_begin, &collector, tiles + t);
        }
}

/* Filters without non-zero codes: the share that starts at the first walk group does them. */
static inline void sb_bucket_silence(const sb_layer *layer, int32_t group,
                                     const sb_collector *collector, const sb_tile *tiles,
                                     size_t tile_count) {
    const sb_bucket_weights *weights = &layer->buckets;
    for (size_t i = weights->silent_starts[group]; i < weights->silent_starts[group + 1]; ++i)
        for (size_t t = 0; t < tile_count; ++t)
            sb_collect_nothing(layer, collector, weights->silent[i], tiles + t);
}

/* All chunks and the share's groups of filters over one block of tiles. */
static inline void sb_bucket_block(const sb_layer *layer, int32_t group, const sb_split *split,
                                   sb_total_element *scratch, const sb_tile *tiles,
                                   size_t tile_count) {
    const sb_bucket_weights *weights = &layer->buckets;
    const size_t filters = (size_t)(layer->geometry.out_channels / layer->geometry.groups);
    const sb_collector collector = {scratch, filters, (size_t)group * filters, 0};
    for (int32_t chunk = 0; chunk < weights->chunk_count; ++chunk)
        sb_bucket_chunk(
            layer,
            weights->starts + ((size_t)group * weights->chunk_count + chunk) * weights->walk_groups,
            split, (size_t)chunk * weights->chunk * SB_LANES, collector, tiles, tile_count);
    if (!split->first_filters && split->end_filters)
        sb_bucket_silence(layer, group, &collector, tiles, tile_count);
}

/* Filter groups are divided only where they are the same in all chunks. */
static inline sb_split sb_bucket_split(const sb_bucket_weights *weights,
                                       const sb_operands *operands, size_t tile_count,
                                       size_t groups) {
    sb_split split = {0, tile_count, 0, groups};
    if (!weights->regrouped)
        return sb_divide(operands, tile_count, groups);
    sb_take_share(operands, tile_count, &split.first_tile, &split.end_tile);
    return split;
}

static inline void sb_bucket_conv2d(const sb_layer *layer, const sb_operands *operands) {
    const size_t tile_count = sb_tile_count(&layer->output);
    const size_t block = sb_block_tiles(layer, SB_VECTORS);
    const sb_split split =
        sb_bucket_split(&layer->buckets, operands, tile_count, (size_t)layer->buckets.walk_groups);
    const size_t pixels =
        (size_t)sb_view_rows(&layer->input) * sb_view_columns(&layer->input) * SB_LANES;
    const sb_total_element *totals = operands->totals;
    sb_tile tiles[SB_BLOCK_TILES];
    sb_total sums[SB_BLOCK_TILES][SB_VECTORS];
    for (int32_t group = 0; group < layer->geometry.groups; ++group) {
        sb_cursor cursor = sb_cursor_at(&layer->output, split.first_tile);
        for (size_t first = split.first_tile; first < split.end_tile; first += block) {
            const size_t left = split.end_tile - first, count = left < block ? left : block;
            for (size_t t = 0; t < count; ++t) {
                sb_aim(layer, operands, group, &cursor, tiles + t);
                if (totals)
                    sb_sum_windows(layer, totals + group * pixels, tiles + t, sums[t]);
            }
            sb_bucket_block(layer, group, &split, operands->scratch, tiles, count);
        }
    }
}

#endif
