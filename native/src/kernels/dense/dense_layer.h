/* Dense products over lane-blocked views: SB_FILTERS filters times SB_VECTORS vectors of output
 * pixels stay in registers over all taps; a tap is an aligned load, a weight a broadcast.
 * weights: [conv group][filter group][r][s][c][SB_FILTERS], the last group padded with zeros;
 * depthwise (one channel per group): [K][R][S]. SB_LANES, SB_VECTORS and SB_FILTERS are set by the
 * kernel's file. */
#ifndef SB_KERNELS_DENSE_LAYER_H
#define SB_KERNELS_DENSE_LAYER_H

#include "../lane/tile.h"

/* count inputs one after the other; y[f * V + v] stays in registers. */
SB_INLINE void sb_dense_run(const float *weights, size_t count, const float *const *windows,
                            size_t offset, sb_vector *y) {
    const float *inputs[SB_VECTORS];
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        inputs[v] = windows[v] + offset;
    for (size_t c = 0; c < count; ++c) {
        sb_vector x[SB_VECTORS];
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            x[v] = SB_LOAD(inputs[v] + c * SB_LANES);
        SB_UNROLL
        for (int i = 0; i < SB_FILTERS * SB_VECTORS; ++i)
            y[i] = SB_ADD(y[i], SB_MULTIPLY(SB_BROADCAST(weights[c * SB_FILTERS + i / SB_VECTORS]),
                                            x[i % SB_VECTORS]));
    }
}

/* Inputs that follow one another in memory: the channels of a tap, or of a whole row of taps where
 * nothing lies between the pixels. */
typedef struct sb_dense_runs {
    int32_t rows, per_row;
    size_t length, row_step, run_step;
} sb_dense_runs;

static inline sb_dense_runs sb_plan_runs(const sb_layer *layer) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t channels = (size_t)(geometry->in_channels / geometry->groups);
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

/* A group of filters over one tile; `real` of its filters exist. */
static inline void sb_dense_tile(const sb_layer *layer, const sb_dense_runs *runs,
                                 const float *weights, const sb_tile *tile, size_t filter,
                                 size_t group_filter, size_t real) {
    sb_vector y[SB_FILTERS * SB_VECTORS];
    SB_UNROLL
    for (int i = 0; i < SB_FILTERS * SB_VECTORS; ++i)
        y[i] = SB_BROADCAST(0.0f);
    for (int32_t r = 0; r < runs->rows; ++r)
        for (int32_t s = 0; s < runs->per_row; ++s) {
            sb_dense_run(weights, runs->length, tile->window,
                         r * runs->row_step + s * runs->run_step, y);
            weights += runs->length * SB_FILTERS;
        }
    for (size_t f = 0; f < real; ++f)
        sb_finish_tile(&layer->epilogue, filter + f, group_filter + filter + f, tile,
                       y + f * SB_VECTORS);
}

/* Groups of filters outside, tiles inside: a group's weights are read from memory once. */
static inline void sb_dense_group(const sb_layer *layer, const sb_operands *operands, int32_t group,
                                  const sb_split *split) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_dense_runs runs = sb_plan_runs(layer);
    const size_t filters = (size_t)geometry->out_channels / geometry->groups;
    const size_t filter_groups = (filters + SB_FILTERS - 1) / SB_FILTERS;
    const size_t size = runs.length * runs.per_row * runs.rows * SB_FILTERS;
    for (size_t i = split->first_filters; i < split->end_filters; ++i) {
        const float *weights = layer->weights + (group * filter_groups + i) * size;
        const size_t filter = i * SB_FILTERS, left = filters - filter;
        sb_cursor cursor = sb_cursor_at(&layer->output, split->first_tile);
        for (size_t t = split->first_tile; t < split->end_tile; ++t) {
            sb_tile tile;
            sb_aim(layer, operands, group, &cursor, &tile);
            sb_dense_tile(layer, &runs, weights, &tile, filter, group * filters,
                          left < SB_FILTERS ? left : SB_FILTERS);
        }
    }
}

/* One channel per convolution group: K/C filters read each channel. A tile's channels follow one
 * another, so each pixel is read from end to end. */
static inline void sb_depthwise(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t multiplier = (size_t)geometry->out_channels / geometry->groups;
    const size_t pixel = (size_t)layer->input.pitch * SB_LANES;
    const size_t row = pixel * sb_view_columns(&layer->input) * geometry->dilation_height;
    const sb_split split = sb_divide(operands, sb_tile_count(&layer->output), 1);
    sb_cursor cursor = sb_cursor_at(&layer->output, split.first_tile);
    for (size_t t = split.first_tile; t < split.end_tile; ++t) {
        sb_tile tile;
        const float *weights = layer->weights;
        sb_aim(layer, operands, 0, &cursor, &tile);
        for (size_t k = 0; k < (size_t)geometry->out_channels; ++k) {
            const size_t channel = k / multiplier * SB_LANES;
            sb_vector y[SB_VECTORS];
            SB_UNROLL
            for (int v = 0; v < SB_VECTORS; ++v)
                y[v] = SB_BROADCAST(0.0f);
            for (int32_t r = 0; r < geometry->kernel_height; ++r)
                for (int32_t s = 0; s < geometry->kernel_width; ++s, ++weights) {
                    const size_t offset = channel + r * row + s * pixel * geometry->dilation_width;
                    const sb_vector weight = SB_BROADCAST(*weights);
                    SB_UNROLL
                    for (int v = 0; v < SB_VECTORS; ++v)
                        y[v] = SB_ADD(y[v], SB_MULTIPLY(weight, SB_LOAD(tile.window[v] + offset)));
                }
            sb_finish_tile(&layer->epilogue, k, k, &tile, y);
        }
    }
}

static inline void sb_dense_conv2d(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t filters = (size_t)geometry->out_channels / geometry->groups;
    const sb_split split =
        sb_divide(operands, sb_tile_count(&layer->output), (filters + SB_FILTERS - 1) / SB_FILTERS);
    if (geometry->in_channels == geometry->groups) {
        sb_depthwise(layer, operands);
        return;
    }
    for (int32_t group = 0; group < geometry->groups; ++group)
        sb_dense_group(layer, operands, group, &split);
}

#endif
