/* Depthwise convolution by large windows without strides: the sums of a strip of output positions
 * stay in registers, and every input under them is loaded once for all of its taps. Pixels lie
 * `pitch` vectors apart, which is a multiple of the first cache's ways for most layers, so that
 * nothing of a window is found there again. Taps are added in the order of depthwise.h: the sums
 * have the same bits. */
#ifndef SB_KERNELS_DEPTHWISE_STRIP_H
#define SB_KERNELS_DEPTHWISE_STRIP_H

#include "../lane/finish.h"

enum {
    SB_STRIP_ROWS = 2,
    SB_STRIP_COLUMNS = 7,
    SB_STRIP_TILES = (SB_STRIP_ROWS * SB_STRIP_COLUMNS + SB_VECTORS - 1) / SB_VECTORS,
    SB_STRIP_FILTERS = 16 /* whose inputs stay in the second cache while all strips pass */
};

/* One filter over a strip; window and rows are known to the compiler. weights: of the filter. */
SB_INLINE void sb_strip_filter(const sb_layer *layer, const sb_tile *tiles, size_t filter,
                               int window, int rows) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t multiplier = (size_t)geometry->out_channels / geometry->groups;
    const size_t pixel = (size_t)layer->input.pitch * SB_LANES;
    const size_t row = pixel * sb_view_columns(&layer->input);
    const float *weights = layer->weights + filter * window * window;
    const float *input = tiles[0].window[0] + filter / multiplier * SB_LANES;
    const int positions = rows * SB_STRIP_COLUMNS;
    sb_vector y[SB_STRIP_TILES * SB_VECTORS];
    SB_UNROLL
    for (int p = 0; p < SB_STRIP_TILES * SB_VECTORS; ++p)
        y[p] = SB_BROADCAST(0.0f);
    SB_UNROLL
    for (int i = 0; i < rows + window - 1; ++i) {
        SB_UNROLL
        for (int j = 0; j < SB_STRIP_COLUMNS + window - 1; ++j) {
            const sb_vector x = SB_LOAD(input + i * row + j * pixel);
            SB_UNROLL
            for (int p = 0; p < positions; ++p) {
                const int r = i - p / SB_STRIP_COLUMNS, s = j - p % SB_STRIP_COLUMNS;
                if (r >= 0 && r < window && s >= 0 && s < window)
                    y[p] = SB_ADD(y[p], SB_MULTIPLY(SB_BROADCAST(weights[r * window + s]), x));
            }
        }
    }
    SB_UNROLL
    for (int p = positions; p < SB_STRIP_TILES * SB_VECTORS; ++p)
        y[p] = y[positions - 1];
    SB_UNROLL
    for (int t = 0; t * SB_VECTORS < positions; ++t)
        sb_finish_tile(&layer->epilogue, filter, filter, tiles + t, y + t * SB_VECTORS);
}

/* Tiles of the strip at (y, x); positions past its end repeat its last. */
static inline void sb_aim_strip(const sb_layer *layer, const sb_operands *operands, int32_t y,
                                int32_t x, int rows, sb_tile *tiles) {
    const int last = rows * SB_STRIP_COLUMNS - 1;
    for (int t = 0; t * SB_VECTORS <= last; ++t) {
        tiles[t].total = NULL;
        for (int v = 0; v < SB_VECTORS; ++v) {
            const int p = t * SB_VECTORS + v < last ? t * SB_VECTORS + v : last;
            const sb_cursor at = {y + p / SB_STRIP_COLUMNS, x + p % SB_STRIP_COLUMNS};
            sb_aim_vector(layer, operands, 0, &at, v, tiles + t);
        }
    }
}

/* Filters [first, end) of the strip at (y, x). */
SB_INLINE void sb_strip_filters(const sb_layer *layer, const sb_tile *tiles, size_t first,
                                size_t end, int window, int rows) {
    for (; first < end; ++first)
        sb_strip_filter(layer, tiles, first, window, rows);
}

/* Whether strips serve a layer: SB_STRIP_COLUMNS columns of its blocks at once, none left. */
static inline bool sb_takes_strips(const sb_layer *layer) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t window = geometry->kernel_height;
    return (window == 5 || window == 7) && geometry->kernel_width == window &&
           geometry->stride_height == 1 && geometry->stride_width == 1 &&
           geometry->dilation_height == 1 && geometry->dilation_width == 1 &&
           layer->output.block_width % SB_STRIP_COLUMNS == 0;
}

static inline void sb_depthwise_strips(const sb_layer *layer, const sb_operands *operands) {
    const sb_view *output = &layer->output;
    const int32_t window = layer->geometry.kernel_height;
    const size_t filters = (size_t)layer->geometry.out_channels;
    const size_t across = (size_t)output->block_width / SB_STRIP_COLUMNS;
    const size_t strips = across * ((output->block_height + SB_STRIP_ROWS - 1) / SB_STRIP_ROWS);
    const size_t chunks = (filters + SB_STRIP_FILTERS - 1) / SB_STRIP_FILTERS;
    const sb_split split = sb_divide(operands, strips, chunks);
    sb_tile tiles[SB_STRIP_TILES];
    for (size_t chunk = split.first_filters; chunk < split.end_filters; ++chunk) {
        const size_t first = chunk * SB_STRIP_FILTERS, left = filters - first;
        const size_t end = first + (left < SB_STRIP_FILTERS ? left : SB_STRIP_FILTERS);
        for (size_t strip = split.first_tile; strip < split.end_tile; ++strip) {
            const int32_t y = (int32_t)(strip / across) * SB_STRIP_ROWS;
            const int32_t x = (int32_t)(strip % across) * SB_STRIP_COLUMNS;
            const bool both = y + SB_STRIP_ROWS <= output->block_height;
            sb_aim_strip(layer, operands, y, x, both ? SB_STRIP_ROWS : 1, tiles);
            if (window == 7 && both)
                sb_strip_filters(layer, tiles, first, end, 7, SB_STRIP_ROWS);
            else if (window == 7)
                sb_strip_filters(layer, tiles, first, end, 7, 1);
            else if (both)
                sb_strip_filters(layer, tiles, first, end, 5, SB_STRIP_ROWS);
            else
                sb_strip_filters(layer, tiles, first, end, 5, 1);
        }
    }
}

#endif
