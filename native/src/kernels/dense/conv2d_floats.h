/* Dense convolution over lane-blocked views: lanes hold pixels, or on small maps filters.
 * weights: dense_weights.h; depthwise.h has its own. SB_LANES, SB_VECTORS and SB_FILTERS stand in
 * the kernel's row. */
#ifndef SB_KERNELS_DENSE_CONV2D_FLOATS_H
#define SB_KERNELS_DENSE_CONV2D_FLOATS_H

#if defined(__aarch64__) && SB_LANES == 4 && SB_FILTERS == 8 && !defined(SB_PLAIN_C)
#include "run_neon.h"
#endif

#include "dense_filters.h"
#include "dense_pixels.h"
#include "depthwise.h"
#include "depthwise_strip.h"

static inline void sb_dense_conv2d(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_dense_tile_size tile = {SB_FILTERS, SB_VECTORS, SB_LANES};
    const sb_dense_cut cut = sb_cut_dense(layer, &tile);
    const sb_split split = sb_divide(operands, sb_tile_count(&layer->output), cut.group_count);
    if (geometry->in_channels == geometry->groups) {
        if (sb_takes_strips(layer))
            sb_depthwise_strips(layer, operands);
        else
            sb_depthwise(layer, operands);
        return;
    }
    for (int32_t group = 0; group < geometry->groups; ++group)
        if (cut.filters_in_lanes)
            sb_filter_lanes_group(layer, operands, group, &split, &cut);
        else
            sb_pixel_lanes_group(layer, operands, group, &split, &cut);
}

#endif
