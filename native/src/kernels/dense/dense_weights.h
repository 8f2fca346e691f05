/* How a dense convolution is cut, and how its weights are packed: the one place that knows. */
#ifndef SB_KERNELS_DENSE_WEIGHTS_H
#define SB_KERNELS_DENSE_WEIGHTS_H

#include "../kernel.h"

/* The weights of a chunk of channels of a filter group, and the inputs under a tile, stay in the
 * first cache. With filters in the lanes a tile has few inputs. */
enum { SB_DENSE_CHUNK_BYTES = 8 * 1024, SB_DENSE_FILTER_CHUNK_BYTES = 16 * 1024 };

/* Maps of at most so many positions times lanes may put filters into the lanes. A vector of outputs
 * that changes its lanes from filters to pixels costs so many multiply-adds. */
enum { SB_DENSE_MOST_PIXELS = 1024, SB_DENSE_TURN_COST = 30 };

/* Instructions of a multiply-add, beside each other. ARM takes a factor from a lane of a register,
 * and weights of filters come in by the register, but inputs of pixels one by one. */
#ifdef __aarch64__
enum { SB_DENSE_FILTERS_COST = 5, SB_DENSE_PIXELS_COST = 4 };
#else
enum { SB_DENSE_FILTERS_COST = 1, SB_DENSE_PIXELS_COST = 1 };
#endif

/* What the kernel holds in registers: F filters by V vectors of pixels, or F pixels by V vectors of
 * filters, of so many lanes. */
typedef struct sb_dense_tile_size {
    int32_t filters, vectors, lanes;
} sb_dense_tile_size;

/* Of one convolution group.
 * lanes hold pixels:  [chunk][filter group][r][s][c][f], no padding: the filters are shared out
 *                     evenly among groups of at most `widest`;
 * lanes hold filters: [filter group][chunk][r][s][c][widest], the last group padded with zeros.
 * The last chunk may have fewer channels. */
typedef struct sb_dense_cut {
    bool filters_in_lanes;
    size_t channels, filters, taps;
    size_t widest, group_count;
    size_t chunk, chunk_count;
} sb_dense_cut;

static inline size_t sb_divide_up(size_t value, size_t by) {
    return (value + by - 1) / by;
}

/* Whether filters in the lanes cost less, counted in vector multiply-adds: lanes beyond the image
 * and positions that fill up the last tile on one side, absent filters and the turned outputs on
 * the other. */
static inline bool sb_filters_fit_lanes(const sb_layer *layer, const sb_dense_cut *cut,
                                        const sb_dense_tile_size *tile) {
    const size_t pixels = (size_t)layer->geometry.out_height * layer->geometry.out_width;
    const size_t positions = (size_t)layer->output.block_height * layer->output.block_width;
    const size_t vectors = (size_t)tile->vectors, lanes = (size_t)tile->lanes;
    if (positions * lanes > SB_DENSE_MOST_PIXELS)
        return false;
    const size_t padded = sb_divide_up(cut->filters, vectors * lanes) * vectors;
    const size_t inputs = cut->channels * cut->taps;
    return SB_DENSE_FILTERS_COST * padded * pixels * inputs +
               SB_DENSE_TURN_COST * cut->filters * positions <
           SB_DENSE_PIXELS_COST * cut->filters * sb_divide_up(positions, vectors) * vectors *
               inputs;
}

static inline sb_dense_cut sb_cut_dense(const sb_layer *layer, const sb_dense_tile_size *tile) {
    const sb_geometry *geometry = &layer->geometry;
    sb_dense_cut cut;
    cut.channels = (size_t)(geometry->in_channels / geometry->groups);
    cut.filters = (size_t)(geometry->out_channels / geometry->groups);
    cut.taps = (size_t)geometry->kernel_height * geometry->kernel_width;
    cut.filters_in_lanes = sb_filters_fit_lanes(layer, &cut, tile);
    cut.widest = (size_t)(cut.filters_in_lanes ? tile->vectors * tile->lanes : tile->filters);
    cut.group_count = sb_divide_up(cut.filters, cut.widest);
    const size_t bytes = cut.filters_in_lanes ? SB_DENSE_FILTER_CHUNK_BYTES : SB_DENSE_CHUNK_BYTES;
    const size_t fits = bytes / sizeof(float) / cut.widest / cut.taps;
    cut.chunk_count = fits ? sb_divide_up(cut.channels, fits) : cut.channels;
    cut.chunk = sb_divide_up(cut.channels, cut.chunk_count);
    cut.chunk_count = sb_divide_up(cut.channels, cut.chunk);
    return cut;
}

static inline size_t sb_dense_first_filter(const sb_dense_cut *cut, size_t group) {
    const size_t rest = cut->filters % cut->group_count;
    if (cut->filters_in_lanes)
        return group < cut->group_count ? group * cut->widest : cut->filters;
    return cut->filters / cut->group_count * group + (group < rest ? group : rest);
}

static inline size_t sb_dense_chunk_channels(const sb_dense_cut *cut, size_t chunk) {
    const size_t left = cut->channels - chunk * cut->chunk;
    return left < cut->chunk ? left : cut->chunk;
}

/* Floats of the packed weights of a convolution group. */
static inline size_t sb_dense_size(const sb_dense_cut *cut) {
    const size_t filters = cut->filters_in_lanes ? cut->group_count * cut->widest : cut->filters;
    return filters * cut->channels * cut->taps;
}

/* Floats from the first weight of a convolution group to those of a chunk and filter group. */
static inline size_t sb_dense_offset(const sb_dense_cut *cut, size_t chunk, size_t group) {
    const size_t first = chunk * cut->chunk;
    if (cut->filters_in_lanes)
        return cut->taps * cut->widest * (group * cut->channels + first);
    return cut->taps * (first * cut->filters +
                        sb_dense_first_filter(cut, group) * sb_dense_chunk_channels(cut, chunk));
}

/* Linear layers on vectors of so many floats and wider have panels of weights, [c][filter], of as
 * many filters as a tile has, the last padded with zeros; on narrower ones [K][C]. */
#define SB_LINEAR_PANEL_LANES 8

/* Images and panels whose sums wait together. Rows of inputs whose distance is a multiple of so
 * many floats share the sets of a cache; of up to so many rows none is lost for that; copies lie so
 * many floats further apart. */
enum { SB_LINEAR_STRIP = 64, SB_LINEAR_PANELS = 4 };
enum { SB_LINEAR_COLLIDES = 1024, SB_LINEAR_WAYS = 4, SB_LINEAR_APART = 16 };

static inline bool sb_linear_has_panels(const sb_dense_tile_size *tile) {
    return tile->lanes >= SB_LINEAR_PANEL_LANES;
}

static inline bool sb_rows_collide(size_t channels) {
    return channels % SB_LINEAR_COLLIDES == 0;
}

/* Inputs whose weights in a panel of `width` filters stay close. */
static inline size_t sb_linear_chunk(size_t width) {
    return SB_DENSE_FILTER_CHUNK_BYTES / sizeof(float) / width;
}

#endif
