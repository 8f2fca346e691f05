/* From the sums of one walk to the output: merged with those of earlier walks, kept for later ones
 * or finished. */
#ifndef SB_KERNELS_BUCKET_COLLECT_H
#define SB_KERNELS_BUCKET_COLLECT_H

#include "../lane/finish.h"
#include "../tally.h"

/* scratch: where sums of codes wait, [tile][filter][v][lane]; filters: of the convolution group,
 * whose first one is filter first_filter of the layer; tile: the one at hand. */
typedef struct sb_collector {
    sb_total_element *scratch;
    size_t filters, first_filter, tile;
} sb_collector;

#ifdef SB_CODES

SB_INLINE sb_total sb_no_total(void) {
    return sb_same_sums(0);
}

SB_INLINE sb_total sb_add_totals(sb_total a, sb_total b) {
    return sb_add_sums(a, b);
}

SB_INLINE sb_total sb_load_total(const int32_t *address) {
    return sb_load_sums(address);
}

/* A from S, see sb_integer_sums; total: raw sums of the window, or NULL. */
SB_INLINE sb_sums sb_exact_sum(const sb_integer_sums *how, size_t channel, sb_sums sum,
                               const sb_total *total) {
    const uint32_t flip = (uint32_t)how->flip[channel], shift = (uint32_t)how->shift[channel];
    sb_sums exact;
    for (int p = 0; p < SB_PARTS; ++p)
        exact.part[p] = (sum.part[p] ^ flip) + shift;
    if (how->twice && total)
        for (int p = 0; p < SB_PARTS; ++p)
            exact.part[p] += (sum.part[p] - total->part[p]) & (uint32_t)how->twice[channel];
    return exact;
}

/* The window's sum of q - zero, from its sum of q. */
SB_INLINE void sb_centre_totals(const sb_layer *layer, const sb_tile *tile, sb_sums *centred) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t taps =
        geometry->in_channels / geometry->groups * geometry->kernel_height * geometry->kernel_width;
    for (int v = 0; v < SB_VECTORS; ++v)
        centred[v] = sb_shift_sums(tile->total[v], -taps * layer->epilogue.requantize.input_zero);
}

SB_INLINE void sb_finish_sums(const sb_layer *layer, const sb_collector *collector, size_t index,
                              const sb_tile *tile, sb_sums *sums) {
    const size_t channel = collector->first_filter + index;
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        sums[v] =
            sb_exact_sum(&layer->sums, channel, sums[v], tile->total ? tile->total + v : NULL);
    if (!layer->epilogue.offset) {
        sb_finish_tile(&layer->epilogue, index, channel, tile, sums);
        return;
    }
    sb_sums centred[SB_VECTORS];
    sb_tile with_totals = *tile;
    sb_centre_totals(layer, tile, centred);
    with_totals.total = centred;
    sb_finish_tile(&layer->epilogue, index, channel, &with_totals, sums);
}

SB_INLINE void sb_collect(const sb_layer *layer, const sb_collector *collector,
                          const sb_bucket_group *group, int32_t f, const sb_vector *y,
                          const sb_tile *tile) {
    const size_t index = (size_t)group->filter[f];
    int32_t *kept =
        collector->scratch + (collector->tile * collector->filters + index) * SB_VECTORS * SB_LANES;
    const sb_vector lift = SB_BROADCAST(group->lift[f]);
    sb_sums sums[SB_VECTORS];
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        sums[v] = sb_widen(SB_ADD(y[v], lift));
    if (!(group->opens >> f & 1)) {
        SB_TALLY(1);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            sums[v] = sb_add_sums(sums[v], sb_load_sums(kept + v * SB_LANES));
    }
    if (group->closes >> f & 1) {
        sb_finish_sums(layer, collector, index, tile, sums);
        return;
    }
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        sb_store_sums(kept + v * SB_LANES, sums[v]);
}

SB_INLINE void sb_collect_nothing(const sb_layer *layer, const sb_collector *collector,
                                  int32_t filter, const sb_tile *tile) {
    sb_sums sums[SB_VECTORS];
    for (int v = 0; v < SB_VECTORS; ++v)
        sums[v] = sb_same_sums(0);
    sb_finish_sums(layer, collector, (size_t)filter, tile, sums);
}

#else

SB_INLINE sb_total sb_no_total(void) {
    return SB_BROADCAST(0);
}

SB_INLINE sb_total sb_add_totals(sb_total a, sb_total b) {
    return SB_ADD(a, b);
}

SB_INLINE sb_total sb_load_total(const float *address) {
    return SB_LOAD(address);
}

/* Walks skip inputs whose weights are zero, so a NaN or infinity there would vanish. Therefore
 * T - T (zero where the window's sum T is finite, else NaN) is added to every sum: an output is
 * finite only if its whole window is, as in a product with zeros. */
SB_INLINE void sb_finish_floats(const sb_layer *layer, const sb_collector *collector, size_t index,
                                const sb_tile *tile, sb_vector *y) {
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        y[v] = SB_ADD(y[v], SB_SUBTRACT(tile->total[v], tile->total[v]));
    sb_finish_tile(&layer->epilogue, index, collector->first_filter + index, tile, y);
}

/* Sums of earlier walks wait in the output. */
SB_INLINE void sb_collect(const sb_layer *layer, const sb_collector *collector,
                          const sb_bucket_group *group, int32_t f, sb_vector *y,
                          const sb_tile *tile) {
    const size_t index = (size_t)group->filter[f];
    if (!(group->opens >> f & 1)) {
        SB_TALLY(1);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            y[v] = SB_ADD(y[v], SB_LOAD(tile->output[v] + index * SB_LANES));
    }
    if (group->closes >> f & 1) {
        sb_finish_floats(layer, collector, index, tile, y);
        return;
    }
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        SB_STORE(tile->output[v] + index * SB_LANES, y[v]);
}

SB_INLINE void sb_collect_nothing(const sb_layer *layer, const sb_collector *collector,
                                  int32_t filter, const sb_tile *tile) {
    sb_vector y[SB_VECTORS];
    for (int v = 0; v < SB_VECTORS; ++v)
        y[v] = SB_BROADCAST(0);
    sb_finish_floats(layer, collector, (size_t)filter, tile, y);
}

#endif
#endif
