/* Lists of shared sums over lane-blocked views. SB_LANES and SB_VECTORS stand in the
 * kernel's row.
 *
 * Order of work, as in the bucket family: blocks of pixel tiles, segments, tiles. On small maps a
 * block is the whole map, so that a segment's words are read from memory once and then serve every
 * tile from the first cache. The shares divide the tiles. */
#ifndef SB_KERNELS_SUMS_CONV2D_H
#define SB_KERNELS_SUMS_CONV2D_H

#include "../bucket/collect.h"
#include "../bucket/window_totals.h"
#include "sum_list.h"

enum { SB_BLOCK_TILES = (SB_BLOCK_POSITIONS + SB_VECTORS - 1) / SB_VECTORS };

/* One segment over one tile. */
SB_INLINE void sb_sums_segment_tile(const sb_layer *layer, const sb_sums_segment *segment,
                                    const sb_collector *collector, sb_lane *slots,
                                    const sb_tile *tile) {
    sb_sums_reader reader;
    sb_bucket_group group;
    uint32_t filters;
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        reader.windows[v] = tile->window[v] + segment->base * SB_LANES;
    reader.slots = slots;
    reader.words = layer->sum_list.words + segment->words_begin;
    while ((filters = sb_sums_advance(&reader)) != 0)
        for (; filters; --filters) {
            sb_vector sum[SB_VECTORS];
            sb_sums_filter(&reader, &group, sum);
            sb_collect(layer, collector, &group, 0, sum, tile);
        }
}

/* All segments of a convolution group over one block of tiles. */
static inline void sb_sums_block(const sb_layer *layer, int32_t group, sb_lane *slots,
                                 sb_collector collector, const sb_tile *tiles, size_t tile_count) {
    const sb_sums_weights *weights = &layer->sum_list;
    for (size_t i = weights->starts[group]; i < weights->starts[group + 1]; ++i)
        for (collector.tile = 0; collector.tile < tile_count; ++collector.tile)
            sb_sums_segment_tile(layer, weights->segments + i, &collector, slots,
                                 tiles + collector.tile);
    for (size_t i = weights->silent_starts[group]; i < weights->silent_starts[group + 1]; ++i)
        for (collector.tile = 0; collector.tile < tile_count; ++collector.tile)
            sb_collect_nothing(layer, &collector, weights->silent[i], tiles + collector.tile);
}

static inline void sb_sums_conv2d(const sb_layer *layer, const sb_operands *operands) {
    const size_t filters = (size_t)(layer->geometry.out_channels / layer->geometry.groups);
    const size_t tile_count = sb_tile_count(&layer->output);
    const size_t block = tile_count <= SB_BLOCK_TILES ? tile_count : 1;
    const size_t pixels =
        (size_t)sb_view_rows(&layer->input) * sb_view_columns(&layer->input) * SB_LANES;
    const sb_total_element *totals = operands->totals;
    sb_lane *slots = operands->scratch;
    sb_total_element *kept =
        (sb_total_element *)(void *)((char *)operands->scratch + layer->sum_list.slots_bytes);
    sb_tile tiles[SB_BLOCK_TILES];
    sb_total sums[SB_BLOCK_TILES][SB_VECTORS];
    size_t begin, end;
    sb_take_share(operands, tile_count, &begin, &end);
    for (int32_t group = 0; group < layer->geometry.groups; ++group) {
        const sb_collector collector = {kept, filters, (size_t)group * filters, 0};
        sb_cursor cursor = sb_cursor_at(&layer->output, begin);
        for (size_t first = begin; first < end; first += block) {
            const size_t left = end - first, count = left < block ? left : block;
            for (size_t t = 0; t < count; ++t) {
                sb_aim(layer, operands, group, &cursor, tiles + t);
                if (totals)
                    sb_sum_windows(layer, totals + group * pixels, tiles + t, sums[t]);
            }
            sb_sums_block(layer, group, slots, collector, tiles, count);
        }
    }
}

#endif
