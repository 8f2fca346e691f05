/* From one view of an image into another: plain or lane-blocked on either side, halo included. */
#ifndef SB_KERNELS_RELAYOUT_H
#define SB_KERNELS_RELAYOUT_H

#include "../lane/lane_vector.h"
#include "../view.h"

#include <string.h>

/* Where the lanes of one pixel of the target come from; NULL outside the image. */
typedef struct sb_lane_sources {
    const float *address[SB_LANES];
    bool all;
} sb_lane_sources;

static inline sb_lane_sources sb_find_sources(const sb_layer *layer, const float *input, int32_t y,
                                              int32_t x) {
    const sb_geometry *geometry = &layer->geometry;
    sb_lane_sources sources;
    sources.all = true;
    for (int32_t lane = 0; lane < SB_LANES; ++lane) {
        const int64_t row = sb_view_image_row(&layer->output, lane, y);
        const int64_t column = sb_view_image_column(&layer->output, lane, x);
        const bool inside =
            row >= 0 && row < geometry->in_height && column >= 0 && column < geometry->in_width;
        sources.address[lane] = NULL;
        sources.all &= inside;
        if (inside)
            sources.address[lane] = input + sb_view_element(&layer->input, geometry->in_width,
                                                            (int32_t)row, (int32_t)column);
    }
    return sources;
}

/* All channels of one pixel. step: floats between two channels of the source. */
static inline void sb_relay_pixel(const sb_lane_sources *sources, size_t channels, size_t step,
                                  float fill, float *target) {
    if (sources->all) {
        for (size_t c = 0; c < channels; ++c) {
            SB_UNROLL
            for (int lane = 0; lane < SB_LANES; ++lane)
                target[c * SB_LANES + lane] = sources->address[lane][c * step];
        }
        return;
    }
    for (int lane = 0; lane < SB_LANES; ++lane) {
        const float *source = sources->address[lane];
        for (size_t c = 0; c < channels; ++c)
            target[c * SB_LANES + lane] = source ? source[c * step] : fill;
    }
}

/* One row of one lane of one channel, from a plain image: pixels [0, count) of the target's row are
 * columns [left, left + count) of the image's. source: NULL outside the image. */
static inline void sb_relay_row(const float *source, int64_t width, int64_t left, int64_t count,
                                size_t step, float fill, float *target) {
    int64_t begin = left < 0 ? -left : 0, end = width - left < count ? width - left : count;
    if (!source || begin >= end)
        begin = end = 0;
    for (int64_t x = 0; x < begin; ++x)
        target[(size_t)x * step] = fill;
    for (int64_t x = begin; x < end; ++x)
        target[(size_t)x * step] = source[left + x];
    for (int64_t x = end; x < count; ++x)
        target[(size_t)x * step] = fill;
}

/* One row of all lanes from a plain image, along the rows of the image. */
static inline void sb_relay_plain_row(const sb_layer *layer, const float *input, int32_t y,
                                      float *target) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_view *view = &layer->output;
    const int64_t width = geometry->in_width, plane = width * geometry->in_height;
    for (int32_t lane = 0; lane < SB_LANES; ++lane) {
        const int64_t row = sb_view_image_row(view, lane, y);
        const bool inside = row >= 0 && row < geometry->in_height;
        for (int32_t c = 0; c < geometry->in_channels; ++c)
            sb_relay_row(inside ? input + c * plane + row * width : NULL, width,
                         sb_view_image_column(view, lane, -view->left), sb_view_columns(view),
                         (size_t)view->pitch * SB_LANES, view->fill,
                         target + (size_t)c * SB_LANES + lane);
    }
}

/* Into a lane-blocked view: its rows are shared out. */
static inline void sb_relay_to_lanes(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_view *view = &layer->output;
    const size_t step =
        sb_view_channel_step(&layer->input, geometry->in_height, geometry->in_width);
    size_t begin, end;
    sb_take_share(operands, (size_t)sb_view_rows(view), &begin, &end);
    for (int32_t y = (int32_t)begin - view->top; y < (int32_t)end - view->top; ++y) {
        if (!layer->input.lanes) {
            sb_relay_plain_row(layer, operands->input, y,
                               operands->output +
                                   sb_view_pixel(view, y, -view->left) * view->pitch * SB_LANES);
            continue;
        }
        for (int32_t x = -view->left; x < view->block_width + view->right; ++x) {
            const sb_lane_sources sources = sb_find_sources(layer, operands->input, y, x);
            sb_relay_pixel(&sources, (size_t)geometry->in_channels, step, view->fill,
                           operands->output + sb_view_pixel(view, y, x) * view->pitch * SB_LANES);
        }
    }
}

/* Into a plain view: its planes are shared out. */
static inline void sb_relay_to_plain(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t height = (size_t)geometry->in_height, width = (size_t)geometry->in_width;
    const size_t step =
        sb_view_channel_step(&layer->input, geometry->in_height, geometry->in_width);
    size_t begin, end;
    sb_take_share(operands, (size_t)geometry->in_channels, &begin, &end);
    if (!layer->input.lanes) {
        memcpy(operands->output + begin * step, operands->input + begin * step,
               (end - begin) * step * sizeof(float));
        return;
    }
    for (size_t y = 0; y < height; ++y)
        for (size_t x = 0; x < width; ++x) {
            const float *source = operands->input + sb_view_element(&layer->input, (int32_t)width,
                                                                    (int32_t)y, (int32_t)x);
            for (size_t c = begin; c < end; ++c)
                operands->output[(c * height + y) * width + x] = source[c * step];
        }
}

static inline void sb_relayout(const sb_layer *layer, const sb_operands *operands) {
    if (layer->output.lanes)
        sb_relay_to_lanes(layer, operands);
    else
        sb_relay_to_plain(layer, operands);
}

#endif
