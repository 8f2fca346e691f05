/* The taps of a chunk of channels, as runs of inputs. */
#ifndef SB_KERNELS_DENSE_RUNS_H
#define SB_KERNELS_DENSE_RUNS_H

#include "../view.h"

/* Inputs that follow one another in memory: a chunk's channels of a tap, or of a whole row of taps
 * where nothing lies between the pixels. */
typedef struct sb_dense_runs {
    int32_t rows, per_row;
    size_t length, row_step, run_step;
} sb_dense_runs;

static inline sb_dense_runs sb_plan_runs(const sb_layer *layer, size_t channels) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t pixel = (size_t)layer->input.pitch * SB_LANES;
    const bool merged = (size_t)layer->input.pitch == channels && geometry->dilation_width == 1;
    sb_dense_runs runs;
    runs.rows = geometry->kernel_height;
    runs.per_row = merged ? 1 : geometry->kernel_width;
    runs.length = merged ? channels * geometry->kernel_width : channels;
    runs.row_step = pixel * sb_view_columns(&layer->input) * geometry->dilation_height;
    runs.run_step = pixel * geometry->dilation_width;
    return runs;
}

#endif
