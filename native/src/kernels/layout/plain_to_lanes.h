/* From a plain image into a lane-blocked view. The lanes of a row are L stretches of L rows of the
 * image: L numbers of each are a square, whose columns are the vectors of L neighbouring pixels. */
#ifndef SB_KERNELS_PLAIN_TO_LANES_H
#define SB_KERNELS_PLAIN_TO_LANES_H

#include "../lane/transpose.h"
#include "../view.h"

#include <string.h>

/* L numbers of a row of an image from column `left` on, `fill` beyond its ends. row: NULL where it
 * lies outside the image. */
SB_INLINE sb_stored sb_read_row(const sb_element *row, int64_t width, int64_t left,
                                sb_element fill) {
    sb_stored value;
    if (row && left >= 0 && left + SB_LANES <= width) {
        memcpy(&value, row + left, sizeof value);
        return value;
    }
    sb_element numbers[SB_LANES];
    for (int64_t i = 0; i < SB_LANES; ++i)
        numbers[i] = row && left + i >= 0 && left + i < width ? row[left + i] : fill;
    memcpy(&value, numbers, sizeof value);
    return value;
}

/* One row of all lanes of one channel. rows: of the image, lane by lane; target: of the row's first
 * pixel. */
static inline void sb_fill_lane_row(const sb_layer *layer, const sb_element *const *rows,
                                    sb_element *target) {
    const sb_view *view = &layer->output;
    const int32_t columns = sb_view_columns(view);
    const size_t step = (size_t)view->pitch * SB_LANES;
    for (int32_t x = 0; x < columns; x += SB_LANES) {
        sb_stored square[SB_LANES];
        for (int32_t lane = 0; lane < SB_LANES; ++lane)
            square[lane] = sb_read_row(rows[lane], layer->geometry.in_width,
                                       sb_view_image_column(view, lane, x - view->left),
                                       (sb_element)view->fill);
        sb_transpose(square);
        for (int32_t i = 0; i < SB_LANES && x + i < columns; ++i)
            SB_PUT(target + (size_t)(x + i) * step, square[i]);
    }
}

/* The rows of the view are shared out. */
static inline void sb_plain_to_lanes(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_view *view = &layer->output;
    const int64_t width = geometry->in_width, plane = width * geometry->in_height;
    const sb_element *input = operands->input;
    sb_element *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, (size_t)sb_view_rows(view), &begin, &end);
    for (int32_t y = (int32_t)begin - view->top; y < (int32_t)end - view->top; ++y) {
        sb_element *target = output + sb_view_pixel(view, y, -view->left) * view->pitch * SB_LANES;
        for (int32_t c = 0; c < geometry->in_channels; ++c) {
            const sb_element *rows[SB_LANES];
            for (int32_t lane = 0; lane < SB_LANES; ++lane) {
                const int64_t row = sb_view_image_row(view, lane, y);
                const bool inside = row >= 0 && row < geometry->in_height;
                rows[lane] = inside ? input + c * plane + row * width : NULL;
            }
            sb_fill_lane_row(layer, rows, target + (size_t)c * SB_LANES);
        }
    }
}

#endif
