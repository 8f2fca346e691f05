/* Averages of codes, over windows and over the whole image: f = (sum (q - zero) / taps) * scale,
 * then the epilogue. whole: count_include_pad. */
#ifndef SB_KERNELS_AVG_POOL2D_CODES_H
#define SB_KERNELS_AVG_POOL2D_CODES_H

#include "../epilogue_codes.h"
#include "../lane/finish.h"

/* Taps of [first, first + taps) inside [0, extent). */
static inline int64_t sb_taps_inside(int64_t first, int64_t taps, int64_t extent) {
    const int64_t begin = first < 0 ? 0 : first;
    const int64_t end = first + taps < extent ? first + taps : extent;
    return end > begin ? end - begin : 0;
}

/* What a window's sum is divided by, lane by lane. Lanes beyond the image get 1. */
static inline sb_reals sb_window_counts(const sb_layer *layer, const sb_cursor *at) {
    const sb_geometry *geometry = &layer->geometry;
    float counts[SB_LANES];
    sb_reals result;
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
        counts[sb_place_of(lane)] = count ? (float)count : 1.0f;
    }
    memcpy(&result, counts, sizeof counts);
    return result;
}

static inline sb_sums sb_sum_window(const sb_layer *layer, const sb_element *window) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t column = (size_t)layer->input.pitch * SB_LANES;
    const size_t row = column * sb_view_columns(&layer->input);
    sb_sums sum = sb_same_sums(-geometry->kernel_height * geometry->kernel_width *
                               layer->epilogue.requantize.input_zero);
    for (int32_t r = 0; r < geometry->kernel_height; ++r)
        for (int32_t s = 0; s < geometry->kernel_width; ++s)
            sum = sb_add_widened(sum, SB_LOAD(window + r * row + s * column));
    return sum;
}

static inline void sb_average_windows(const sb_layer *layer, const sb_operands *operands) {
    size_t begin, end;
    sb_take_share(operands, sb_tile_count(&layer->output), &begin, &end);
    sb_cursor cursor = sb_cursor_at(&layer->output, begin);
    for (size_t t = begin; t < end; ++t) {
        const sb_reals counts = sb_window_counts(layer, &cursor);
        sb_tile tile;
        sb_aim(layer, operands, 0, &cursor, &tile);
        for (size_t c = 0; c < (size_t)layer->geometry.out_channels; ++c) {
            sb_reals f = sb_to_reals(sb_sum_window(layer, tile.window[0] + c * SB_LANES));
            for (int p = 0; p < SB_PARTS; ++p)
                f.part[p] = f.part[p] / counts.part[p] * layer->epilogue.scale[c];
            sb_put_reals(&layer->epilogue.requantize, &tile, 0, c * SB_LANES, f);
        }
    }
}

/* All ones for lanes whose pixel (y, x) lies in the image. */
static inline sb_vector sb_inside(const sb_layer *layer, int32_t y, int32_t x) {
    uint16_t inside[SB_LANES];
    sb_vector result;
    for (int32_t lane = 0; lane < SB_LANES; ++lane)
        inside[lane] =
            sb_view_image_row(&layer->input, lane, y) < layer->geometry.in_height &&
                    sb_view_image_column(&layer->input, lane, x) < layer->geometry.in_width
                ? 1
                : 0;
    memcpy(&result, inside, sizeof inside);
    return result;
}

/* So many channels at a time: finding out which lanes are inside is worth their while. */
enum { SB_AVERAGED_CHANNELS = 16 };

static inline void sb_average_channels(const sb_layer *layer, const sb_operands *operands,
                                       size_t first, size_t channels) {
    const sb_view *view = &layer->input;
    const sb_requantize *requantize = &layer->epilogue.requantize;
    const int32_t count = layer->geometry.in_height * layer->geometry.in_width;
    const sb_element *input = operands->input;
    sb_sums sums[SB_AVERAGED_CHANNELS];
    for (size_t c = 0; c < SB_AVERAGED_CHANNELS; ++c)
        sums[c] = sb_same_sums(0);
    for (int32_t y = 0; y < view->block_height; ++y)
        for (int32_t x = 0; x < view->block_width; ++x) {
            const sb_element *pixel =
                input + (sb_view_pixel(view, y, x) * view->pitch + first) * SB_LANES;
            const sb_vector inside = sb_inside(layer, y, x);
            for (size_t c = 0; c < channels; ++c)
                sums[c] =
                    sb_add_widened(sums[c], SB_MULTIPLY(inside, SB_LOAD(pixel + c * SB_LANES)));
        }
    for (size_t c = 0; c < channels; ++c) {
        uint32_t lanes[SB_LANES], sum = 0u - (uint32_t)count * (uint32_t)requantize->input_zero;
        memcpy(lanes, &sums[c], sizeof lanes);
        for (int lane = 0; lane < SB_LANES; ++lane)
            sum += lanes[lane];
        sb_put_number(requantize, operands->output, first + c,
                      (float)(int32_t)sum / (float)count * layer->epilogue.scale[first + c]);
    }
}

static inline void sb_average_image(const sb_layer *layer, const sb_operands *operands) {
    size_t begin, end;
    sb_take_share(operands, (size_t)layer->geometry.in_channels, &begin, &end);
    for (size_t c = begin; c < end; c += SB_AVERAGED_CHANNELS)
        sb_average_channels(layer, operands, c,
                            end - c < SB_AVERAGED_CHANNELS ? end - c : SB_AVERAGED_CHANNELS);
}

static inline void sb_direct_avg_pool2d(const sb_layer *layer, const sb_operands *operands) {
    if (layer->whole_image)
        sb_average_image(layer, operands);
    else
        sb_average_windows(layer, operands);
}

#endif
