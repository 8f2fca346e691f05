/* The bucket family with walks that are machine code, see jit/machine_walks.c. SB_LANES, SB_FILTERS
 * and SB_VECTORS stand in the kernel's row.
 *
 * A function serves a whole block of tiles, and while it does, it fetches the machine code that
 * runs AHEAD bytes later, see jit/machine_walks.c; a tile its share of it. */
#ifndef SB_KERNELS_GENERATED_CONV2D_H
#define SB_KERNELS_GENERATED_CONV2D_H

#include "collect_rows.h"
#include "conv2d.h"

enum { SB_MACHINE_AHEAD = 32 << 10 }; /* bytes between what runs and what is fetched */

/* The walks of one function over one tile. */
SB_INLINE void sb_generated_walk(const sb_layer *layer, const sb_machine_walks *walks,
                                 size_t chunk_begin, const sb_collector *collector,
                                 const sb_tile *tile) {
    const sb_bucket_group *groups = layer->buckets.groups + walks->first;
    const size_t fetched =
        SB_MACHINE_AHEAD + collector->tile * (size_t)walks->lines * SB_LINE_BYTES;
    sb_vector sums[SB_MACHINE_SUMS / SB_VECTORS][SB_VECTORS], (*y)[SB_VECTORS] = sums;
    const void *windows[SB_VECTORS];
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        windows[v] = tile->window[v] + chunk_begin;
    walks->run(windows, sums, (const void *)((uintptr_t)walks->run + fetched));
#ifdef SB_NEON_CODES
    /* Functions of ARM do half a vector, see jit/arm_walks.c. */
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        windows[v] = tile->window[v] + chunk_begin + SB_LANES / 2;
    walks->run(windows, &sums[0][0].half[1], NULL);
#endif
    if (walks->uniform) {
        sb_collect_rows(layer, walks, collector, tile, y);
        return;
    }
    for (size_t i = 0; i < walks->count; y += groups[i++].filters)
        for (int32_t f = 0; f < groups[i].filters; ++f)
            sb_collect(layer, collector, groups + i, f, y[f], tile);
}

/* The functions of a run of bundles in one chunk, over one block of tiles. */
static inline void sb_generated_chunk(const sb_layer *layer, const size_t *starts,
                                      const sb_split *split, size_t chunk_begin,
                                      sb_collector collector, const sb_tile *tiles,
                                      size_t tile_count) {
    const sb_generated_walks *generated = &layer->buckets.generated;
    for (size_t i = starts[split->first_filters]; i < starts[split->end_filters]; ++i) {
        const sb_machine_walks *walks = generated->functions + i;
        for (size_t t = 0; t < tile_count; ++t) {
            collector.tile = t;
            sb_generated_walk(layer, walks, chunk_begin, &collector, tiles + t);
        }
    }
}

/* All chunks and the share's bundles over one block of tiles. */
static inline void sb_generated_block(const sb_layer *layer, int32_t group, const sb_split *split,
                                      sb_total_element *scratch, const sb_tile *tiles,
                                      size_t tile_count) {
    const sb_bucket_weights *weights = &layer->buckets;
    const sb_generated_walks *generated = &weights->generated;
    const size_t filters = (size_t)(layer->geometry.out_channels / layer->geometry.groups);
    const sb_collector collector = {scratch, filters, (size_t)group * filters, 0};
    for (int32_t chunk = 0; chunk < weights->chunk_count; ++chunk)
        sb_generated_chunk(
            layer,
            generated->starts + ((size_t)group * weights->chunk_count + chunk) * generated->bundles,
            split, (size_t)chunk * weights->chunk * SB_LANES, collector, tiles, tile_count);
    if (!split->first_filters && split->end_filters)
        sb_bucket_silence(layer, group, &collector, tiles, tile_count);
}

static inline void sb_generated_conv2d(const sb_layer *layer, const sb_operands *operands) {
    const sb_generated_walks *generated = &layer->buckets.generated;
    const sb_split split = sb_bucket_split(&layer->buckets, operands, sb_tile_count(&layer->output),
                                           (size_t)generated->bundles);
    const size_t block = sb_generated_tiles(split.end_tile - split.first_tile, SB_VECTORS);
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
            sb_generated_block(layer, group, &split, operands->scratch, tiles, count);
        }
    }
}

#endif
