/* From sums with filters in the lanes to an output with pixels in the lanes: a block of filters at
 * some positions of the output's blocks, through the epilogue. Define SB_SUM_LANES, filters of a
 * vector of sums, and sb_filter_position, the place of one in it, before including. */
#ifndef SB_KERNELS_FINISH_POSITIONS_H
#define SB_KERNELS_FINISH_POSITIONS_H

#include "../bucket/collect.h"

/* Sums of filters [first_filter, first_filter + filters) of a convolution group at the positions
 * [first, first + count) of the output's blocks, [position][lane][stride]. totals: of their
 * windows, [position][lane], where the layer needs them. */
typedef struct sb_block_sums {
    int32_t first_filter, filters;
    size_t stride;
    const int32_t *sums, *totals;
    size_t first, count;
} sb_block_sums;

#ifdef SB_GATHERS_FILTERS
#include "finish_filters.h"
#endif

static inline sb_cursor sb_position_at(const sb_layer *layer, size_t position) {
    const size_t width = (size_t)layer->output.block_width;
    const sb_cursor cursor = {(int32_t)(position / width), (int32_t)(position % width)};
    return cursor;
}

/* Lanes of positions in the order of sums, see lane_codes.h. */
SB_INLINE sb_sums sb_order_lanes(const int32_t *lanes) {
    int32_t ordered[SB_LANES];
    sb_sums sums;
    for (int lane = 0; lane < SB_LANES; ++lane)
        ordered[sb_place_of(lane)] = lanes[lane];
    memcpy(&sums, ordered, sizeof sums);
    return sums;
}

#ifndef SB_GATHERS_FILTERS
/* sums: of a vector of filters, [lane][stride]. lanes: of 4 of them, from `filter`. */
SB_INLINE void sb_gather_filters(const int32_t *sums, size_t stride, size_t filter,
                                 sb_sums *lanes) {
    for (size_t f = 0; f < 4; ++f) {
        int32_t gathered[SB_LANES];
        for (int lane = 0; lane < SB_LANES; ++lane)
            gathered[sb_place_of(lane)] =
                sums[(size_t)lane * stride + sb_filter_position(filter + f)];
        memcpy(lanes + f, gathered, sizeof gathered);
    }
}
#endif

/* All filters of a block at the positions from number `i` on; `tile` is aimed there. Lanes outside
 * the image have no pixel in the strip, so their sums are whatever scratch holds: they pass through
 * the chain beside the others, decide nothing, and end in lanes of the output that are of no image.
 * Nor is a number set that the last step of the last pixel reads behind the image, where its
 * weights are 0. MemorySanitizer, to which a conversion of a vector is a use of all its bits,
 * reports both; valgrind, which looks at what depends on them, nothing. */
static inline void sb_finish_tile_of_block(const sb_layer *layer, const sb_collector *collector,
                                           const sb_block_sums *block, size_t i,
                                           const sb_tile *tile) {
    const int32_t *sums[SB_VECTORS];
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v) {
        const size_t position = i + v < block->count ? i + v : block->count - 1;
        sums[v] = block->sums + position * SB_LANES * block->stride;
    }
#ifdef SB_FINISHES_FILTERS
    if (sb_has_plain_chain(layer, block, tile)) {
        const size_t index = (size_t)block->first_filter;
        for (int v = 0; v < SB_VECTORS; ++v)
            sb_finish_filters(layer, block, collector->first_filter + index, sums[v],
                              tile->residual[v] ? tile->residual[v] + index * SB_LANES : NULL,
                              tile->output[v] + index * SB_LANES);
        return;
    }
#endif
    for (int32_t f = 0; f < block->filters; f += 4) {
        sb_sums lanes[SB_VECTORS][4];
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            sb_gather_filters(sums[v] + f / SB_SUM_LANES * SB_SUM_LANES, block->stride,
                              (size_t)f % SB_SUM_LANES, lanes[v]);
        for (int32_t j = 0; j < 4 && f + j < block->filters; ++j) {
            sb_sums of_filter[SB_VECTORS];
            SB_UNROLL
            for (int v = 0; v < SB_VECTORS; ++v)
                of_filter[v] = lanes[v][j];
            sb_finish_sums(layer, collector, (size_t)(block->first_filter + f + j), tile,
                           of_filter);
        }
    }
}

/* A tile of which only `count` positions are the block's repeats the last of them: those behind it
 * are another share's, or of a later strip. */
SB_INLINE void sb_repeat_last(size_t count, sb_tile *tile) {
    SB_UNROLL
    for (int v = 1; v < SB_VECTORS; ++v)
        if ((size_t)v >= count) {
            tile->output[v] = tile->output[v - 1];
            tile->floats[v] = tile->floats[v - 1];
            tile->residual[v] = tile->residual[v - 1];
        }
}

SB_INLINE void sb_finish_block(const sb_layer *layer, const sb_operands *operands, int32_t group,
                               const sb_block_sums *block) {
    const size_t filters = (size_t)layer->geometry.out_channels / layer->geometry.groups;
    const sb_collector collector = {NULL, filters, (size_t)group * filters, 0};
    for (size_t i = 0; i < block->count; i += SB_VECTORS) {
        sb_cursor cursor = sb_position_at(layer, block->first + i);
        sb_sums totals[SB_VECTORS];
        sb_tile tile;
        sb_aim_outputs(layer, operands, group, &cursor, &tile);
        sb_repeat_last(block->count - i, &tile);
        if (block->totals && (layer->epilogue.offset || layer->sums.twice)) {
            for (size_t v = 0; v < SB_VECTORS; ++v)
                totals[v] = sb_order_lanes(
                    block->totals + (i + v < block->count ? i + v : block->count - 1) * SB_LANES);
            tile.total = totals;
        }
        sb_finish_tile_of_block(layer, &collector, block, i, &tile);
    }
}

#endif
