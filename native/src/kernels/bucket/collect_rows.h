/* sb_collect for all rows of a function that treats them alike. What the loop needs is copied
 * first: the compiler cannot know that storing results leaves it as it is, and then reads
 * everything again for every row. */
#ifndef SB_KERNELS_COLLECT_ROWS_H
#define SB_KERNELS_COLLECT_ROWS_H

#include "collect.h"

#ifdef SB_CODES

SB_INLINE void sb_merge_row(const sb_vector *y, bool opens, const int32_t *kept, sb_sums *sums) {
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v) {
        sums[v] = sb_widen(y[v]);
        if (!opens)
            sums[v] = sb_add_sums(sums[v], sb_load_sums(kept + v * SB_LANES));
    }
}

SB_INLINE void sb_keep_rows(const sb_walk_code *code, int32_t *kept, bool opens,
                            sb_vector (*y)[SB_VECTORS]) {
    for (int32_t r = 0, rows = code->rows; r < rows; ++r, kept += SB_VECTORS * SB_LANES) {
        sb_sums sums[SB_VECTORS];
        sb_merge_row(y[r], opens, kept, sums);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            sb_store_sums(kept + v * SB_LANES, sums[v]);
    }
}

SB_INLINE void sb_collect_rows(const sb_layer *layer, const sb_walk_code *code,
                               const sb_collector *collector, const sb_tile *tile,
                               sb_vector (*y)[SB_VECTORS]) {
    const size_t first = (size_t)code->filter;
    int32_t *kept =
        collector->scratch + (collector->tile * collector->filters + first) * SB_VECTORS * SB_LANES;
    if (!code->closes) {
        if (code->opens)
            sb_keep_rows(code, kept, true, y);
        else
            sb_keep_rows(code, kept, false, y);
        return;
    }
    const sb_layer local = *layer;
    const sb_collector own = *collector;
    const sb_tile place = *tile;
    sb_tile with_totals = place;
    sb_sums centred[SB_VECTORS];
    const bool opens = code->opens;
    if (local.epilogue.offset) {
        sb_centre_totals(&local, &place, centred);
        with_totals.total = centred;
    }
    for (int32_t r = 0, rows = code->rows; r < rows; ++r, kept += SB_VECTORS * SB_LANES) {
        const size_t index = first + (size_t)r, channel = own.first_filter + index;
        sb_sums sums[SB_VECTORS];
        sb_merge_row(y[r], opens, kept, sums);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            sums[v] =
                sb_exact_sum(&local.sums, channel, sums[v], place.total ? place.total + v : NULL);
        sb_finish_tile(&local.epilogue, index, channel, &with_totals, sums);
    }
}

#else

SB_INLINE void sb_collect_rows(const sb_layer *layer, const sb_walk_code *code,
                               const sb_collector *collector, const sb_tile *tile,
                               sb_vector (*y)[SB_VECTORS]) {
    const sb_layer local = *layer;
    const sb_collector own = *collector;
    const sb_tile place = *tile;
    const size_t first = (size_t)code->filter;
    const bool opens = code->opens, closes = code->closes;
    for (int32_t r = 0, rows = code->rows; r < rows; ++r) {
        const size_t index = first + (size_t)r;
        if (!opens) {
            SB_UNROLL
            for (int v = 0; v < SB_VECTORS; ++v)
                y[r][v] = SB_ADD(y[r][v], SB_LOAD(place.output[v] + index * SB_LANES));
        }
        if (closes) {
            sb_finish_floats(&local, &own, index, &place, y[r]);
            continue;
        }
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            SB_STORE(place.output[v] + index * SB_LANES, y[r][v]);
    }
}

#endif
#endif
