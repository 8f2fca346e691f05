/* The sum of all inputs of a window, once per position: binary and centred filters need it. */
#ifndef SB_KERNELS_WINDOW_TOTALS_H
#define SB_KERNELS_WINDOW_TOTALS_H

#include "collect.h"

/* T: the sum of every input under the window, channels first (operands->totals), then pixels. */
static inline void sb_sum_windows(const sb_layer *layer, const sb_total_element *totals,
                                  sb_tile *tile, sb_total *sums) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t columns = (size_t)sb_view_columns(&layer->input);
    for (int v = 0; v < SB_VECTORS; ++v) {
        sums[v] = sb_no_total();
        for (int32_t r = 0; r < geometry->kernel_height; ++r)
            for (int32_t s = 0; s < geometry->kernel_width; ++s) {
                const size_t pixel = tile->pixel[v] +
                                     (size_t)r * geometry->dilation_height * columns +
                                     (size_t)s * geometry->dilation_width;
                sums[v] = sb_add_totals(sums[v], sb_load_total(totals + pixel * SB_LANES));
            }
    }
    tile->total = sums;
}

#endif
