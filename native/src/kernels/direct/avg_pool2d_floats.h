/* Averages over windows, and over the whole image. whole: count_include_pad. */
#ifndef SB_KERNELS_AVG_POOL2D_FLOATS_H
#define SB_KERNELS_AVG_POOL2D_FLOATS_H

#include "../lane/tile.h"

#include <string.h>

/* Taps of [first, first + taps) inside [0, extent). */
static inline int64_t sb_taps_inside(int64_t first, int64_t taps, int64_t extent) {
    const int64_t begin = first < 0 ? 0 : first;
    const int64_t end = first + taps < extent ? first + taps : extent;
    return end > begin ? end - begin : 0;
}

/* What a window's sum is divided by, lane by lane. Lanes beyond the image get 1. */
static inline sb_vector sb_window_counts(const sb_layer *layer, const sb_cursor *at) {
    const sb_geometry *geometry = &layer->geometry;
    float counts[SB_LANES];
    sb_vector result;
    for (int32_t lane = 0; lane < SB_LANES; ++lane) {
        const int64_t y = sb_view_image_row(&layer->output, lane, at->y) * geometry->stride_height;
        const int64_t x =
            sb_view_image_column(&layer->output, lane, at->x) * geometry->stride_width;
        int64_t count = (int64_t)geometry->kernel_height * geometry->kernel_width;
        if (!layer->whole[0])
            count = sb_taps_inside(y - geometry->padding_top, geometry->kernel_height,
                                   geometry->in_height) *
                    sb_taps_inside(x - geometry->padding_left, geometry->kernel_width,
                                   geometry->in_width);
        counts[lane] = count ? (float)count : 1.0f;
    }
    memcpy(&result, counts, sizeof counts);
    return result;
}

static inline void sb_average_windows(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t column = (size_t)layer->input.pitch * SB_LANES;
    const size_t row = column * sb_view_columns(&layer->input);
    const size_t size = (size_t)geometry->out_channels * SB_LANES;
    size_t begin, end;
    sb_take_share(operands, sb_tile_count(&layer->output), &begin, &end);
    sb_cursor cursor = sb_cursor_at(&layer->output, begin);
    for (size_t t = begin; t < end; ++t) {
        const sb_vector counts = sb_window_counts(layer, &cursor);
        sb_tile tile;
        sb_aim(layer, operands, 0, &cursor, &tile);
        for (size_t c = 0; c < size; c += SB_LANES) {
            sb_vector sum = SB_BROADCAST(0.0f);
            for (int32_t r = 0; r < geometry->kernel_height; ++r)
                for (int32_t s = 0; s < geometry->kernel_width; ++s)
                    sum = SB_ADD(sum, SB_LOAD(tile.window[0] + c + r * row + s * column));
            SB_STORE(tile.output[0] + c, SB_DIVIDE(sum, counts));
        }
    }
}

/* 1 for lanes whose pixel (y, x) lies in the image, 0 for the others. */
static inline sb_vector sb_inside(const sb_layer *layer, int32_t y, int32_t x) {
    float inside[SB_LANES];
    sb_vector result;
    for (int32_t lane = 0; lane < SB_LANES; ++lane)
        inside[lane] =
            sb_view_image_row(&layer->input, lane, y) < layer->geometry.in_height &&
                    sb_view_image_column(&layer->input, lane, x) < layer->geometry.in_width
                ? 1.0f
                : 0.0f;
    memcpy(&result, inside, sizeof inside);
    return result;
}

static inline float sb_sum_pairwise(sb_vector value) {
    float lanes[SB_LANES];
    memcpy(lanes, &value, sizeof value);
    for (int half = SB_LANES / 2; half; half /= 2)
        for (int i = 0; i < half; ++i)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

/* A few channels at a time, so that their sums stay in registers over all positions. */
enum { SB_AVERAGED_CHANNELS = 8 };

static inline void sb_average_channels(const sb_layer *layer, const float *input, size_t channels,
                                       float *output) {
    const sb_view *view = &layer->input;
    const float count = (float)((size_t)layer->geometry.in_height * layer->geometry.in_width);
    const sb_vector zero = SB_BROADCAST(0.0f);
    sb_vector sums[SB_AVERAGED_CHANNELS];
    for (size_t c = 0; c < SB_AVERAGED_CHANNELS; ++c)
        sums[c] = zero;
    for (int32_t y = 0; y < view->block_height; ++y)
        for (int32_t x = 0; x < view->block_width; ++x) {
            const float *pixel = input + sb_view_pixel(view, y, x) * view->pitch * SB_LANES;
            const sb_vector inside = sb_inside(layer, y, x);
            for (size_t c = 0; c < channels; ++c)
                sums[c] = SB_ADD(sums[c],
                                 SB_SELECT_LESS(zero, inside, SB_LOAD(pixel + c * SB_LANES), zero));
        }
    for (size_t c = 0; c < channels; ++c)
        output[c] = sb_sum_pairwise(sums[c]) / count;
}

static inline void sb_average_image(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    const float *input = operands->input;
    float *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, channels, &begin, &end);
    for (size_t c = begin; c < end; c += SB_AVERAGED_CHANNELS)
        sb_average_channels(layer, input + c * SB_LANES,
                            end - c < SB_AVERAGED_CHANNELS ? end - c : SB_AVERAGED_CHANNELS,
                            output + c);
}

static inline void sb_direct_avg_pool2d(const sb_layer *layer, const sb_operands *operands) {
    if (layer->whole_image)
        sb_average_image(layer, operands);
    else
        sb_average_windows(layer, operands);
}

#endif
