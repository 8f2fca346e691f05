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
        sums[v] = opens ? sb_widen(y[v]) : sb_add_widened(sb_load_sums(kept + v * SB_LANES), y[v]);
    }
}

/* kept: of filter 0. */
SB_INLINE void sb_keep_rows(const sb_machine_walks *walks, int32_t *kept, bool opens,
                            sb_vector (*y)[SB_VECTORS]) {
    const int32_t *filters = walks->filters;
    for (int32_t r = 0, rows = walks->rows; r < rows; ++r) {
        int32_t *place = kept + (size_t)filters[r] * SB_VECTORS * SB_LANES;
        sb_sums sums[SB_VECTORS];
        sb_merge_row(y[r], opens, place, sums);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            sb_store_sums(place + v * SB_LANES, sums[v]);
    }
}

/* What is known before the rows are: a loop is compiled for every case. shortcut: a residual is
 * added. plain: see sb_integer_sums. */
typedef struct sb_row_case {
    bool opens, shortcut, plain;
} sb_row_case;

/* Codes go out, and nothing but a shortcut lies between the scale and the clamp. */
SB_INLINE bool sb_ends_simply(const sb_epilogue *epilogue) {
    return !epilogue->offset && !epilogue->post_bias && !epilogue->requantize.floats &&
           !sb_activation_shows(epilogue);
}

/* sb_exact_sum and sb_finish_tile for rows that end simply. channel: of the layer, that of filter
 * 0; kept: likewise. */
SB_INLINE void sb_finish_rows(const sb_layer *layer, const sb_machine_walks *walks, size_t channel,
                              const int32_t *kept, const sb_tile *tile, sb_vector (*y)[SB_VECTORS],
                              const sb_row_case known) {
    const sb_requantize requantize = layer->epilogue.requantize;
    const sb_integer_sums how = layer->sums;
    const float *scale = layer->epilogue.scale + channel, *bias = layer->epilogue.bias + channel;
    const int32_t *filters = walks->filters;
    const sb_tile place = *tile;
    for (int32_t r = 0, rows = walks->rows; r < rows; ++r) {
        const size_t filter = (size_t)filters[r], step = filter * SB_LANES;
        sb_sums sums[SB_VECTORS];
        sb_stored codes[SB_VECTORS];
        sb_merge_row(y[r], known.opens, kept + step * SB_VECTORS, sums);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v) {
            if (!known.plain)
                sums[v] = sb_exact_sum(&how, channel + filter, sums[v],
                                       place.total ? place.total + v : NULL);
            sb_reals f =
                sb_shift_reals(sb_scale_reals(sb_to_reals(sums[v]), scale[filter]), bias[filter]);
            if (known.shortcut)
                f = sb_add_reals(f, sb_residual_reals(&requantize, place.residual[v] + step));
            codes[v] = sb_requantize_reals(&requantize, f);
        }
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            SB_PUT(place.output[v] + step, codes[v]);
    }
}

/* Any ending. */
static void sb_finish_rows_slowly(const sb_layer *layer, const sb_machine_walks *walks,
                                  const sb_collector *collector, const int32_t *kept,
                                  const sb_tile *tile, sb_vector (*y)[SB_VECTORS]) {
    for (int32_t r = 0; r < walks->rows; ++r) {
        const size_t filter = (size_t)walks->filters[r];
        sb_sums sums[SB_VECTORS];
        sb_merge_row(y[r], walks->opens, kept + filter * SB_VECTORS * SB_LANES, sums);
        sb_finish_sums(layer, collector, filter, tile, sums);
    }
}

SB_INLINE void sb_collect_rows(const sb_layer *layer, const sb_machine_walks *walks,
                               const sb_collector *collector, const sb_tile *tile,
                               sb_vector (*y)[SB_VECTORS]) {
    const size_t channel = collector->first_filter;
    int32_t *kept =
        collector->scratch + collector->tile * collector->filters * SB_VECTORS * SB_LANES;
    const bool opens = walks->opens, shortcut = tile->residual[0], plain = layer->sums.plain;
#define SB_ROWS(...)                                                                               \
    sb_finish_rows(layer, walks, channel, kept, tile, y, (const sb_row_case){__VA_ARGS__})
    if (!walks->closes && opens)
        sb_keep_rows(walks, kept, true, y);
    else if (!walks->closes)
        sb_keep_rows(walks, kept, false, y);
    else if (!sb_ends_simply(&layer->epilogue))
        sb_finish_rows_slowly(layer, walks, collector, kept, tile, y);
    else if (plain && opens && shortcut)
        SB_ROWS(true, true, true);
    else if (plain && opens)
        SB_ROWS(true, false, true);
    else if (plain && shortcut)
        SB_ROWS(false, true, true);
    else if (plain)
        SB_ROWS(false, false, true);
    else if (shortcut)
        SB_ROWS(opens, true, false);
    else
        SB_ROWS(opens, false, false);
#undef SB_ROWS
}

#else

SB_INLINE void sb_collect_rows(const sb_layer *layer, const sb_machine_walks *walks,
                               const sb_collector *collector, const sb_tile *tile,
                               sb_vector (*y)[SB_VECTORS]) {
    const sb_layer local = *layer;
    const sb_collector own = *collector;
    const sb_tile place = *tile;
    const int32_t *filters = walks->filters;
    const bool opens = walks->opens, closes = walks->closes;
    for (int32_t r = 0, rows = walks->rows; r < rows; ++r) {
        const size_t index = (size_t)filters[r];
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
