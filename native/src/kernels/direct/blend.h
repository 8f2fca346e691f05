/* Pixels between four others, from any view to any other: with r = rows[h], b = row_shares[h],
 * c = columns[w], a = column_shares[w], and the last row and column standing for those after them,
 *
 *   upper = x[r][c] + a (x[r][c + 1] - x[r][c]),  lower alike of row r + 1
 *   y[h][w] = upper + b (lower - upper)
 *
 * Shares of codes are 2048ths: the exact sum of codes times shares, in 2^22nds, rounded half up. */
#ifndef SB_KERNELS_BLEND_H
#define SB_KERNELS_BLEND_H

#include "../lane/tile.h"

/* Pixels of a plain output that are blended at once. */
enum { SB_BLENDED_PIXELS = 32 };

#ifdef SB_CODES
typedef uint32_t sb_share;
SB_INLINE sb_element sb_between(sb_share a, sb_share b, const sb_element x[4]) {
    const uint32_t upper = x[0] * (2048u - a) + x[1] * a, lower = x[2] * (2048u - a) + x[3] * a;
    return (sb_element)((upper * (2048u - b) + lower * b + (1u << 21)) >> 22);
}
#else
typedef float sb_share;
SB_INLINE sb_element sb_between(sb_share a, sb_share b, const sb_element x[4]) {
    const float upper = x[0] + a * (x[1] - x[0]), lower = x[2] + a * (x[3] - x[2]);
    return upper + b * (lower - upper);
}
#endif

/* Of each pixel: elements to channel 0 of its four, upper left first, and its shares. */
typedef struct sb_corners {
    int64_t from[4][SB_BLENDED_PIXELS];
    sb_share across[SB_BLENDED_PIXELS], down[SB_BLENDED_PIXELS];
} sb_corners;

static inline void sb_find_corners(const sb_layer *layer, size_t row, size_t column, size_t i,
                                   sb_corners *corners) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t y = layer->rows[row], x = layer->columns[column];
    const int32_t below = y + 1 < geometry->in_height ? y + 1 : y;
    const int32_t beside = x + 1 < geometry->in_width ? x + 1 : x;
    const int32_t places[4][2] = {{y, x}, {y, beside}, {below, x}, {below, beside}};
    for (int corner = 0; corner < 4; ++corner)
        corners->from[corner][i] = (int64_t)sb_view_element(&layer->input, geometry->in_width,
                                                            places[corner][0], places[corner][1]);
    corners->across[i] = (sb_share)layer->column_shares[column];
    corners->down[i] = (sb_share)layer->row_shares[row];
}

/* All channels of `count` pixels. y: where the first goes, the others beside it; step: from channel
 * to channel of y. */
SB_INLINE void sb_blend(const sb_layer *layer, const sb_operands *operands,
                        const sb_corners *corners, size_t count, sb_element *y, size_t step) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t ahead =
        sb_view_channel_step(&layer->input, geometry->in_height, geometry->in_width);
    const sb_element *x = operands->input;
    for (int32_t c = 0; c < geometry->in_channels; ++c, x += ahead, y += step)
        for (size_t i = 0; i < count; ++i) {
            const sb_element four[4] = {x[corners->from[0][i]], x[corners->from[1][i]],
                                        x[corners->from[2][i]], x[corners->from[3][i]]};
            y[i] = sb_between(corners->across[i], corners->down[i], four);
        }
}

/* One position of every lane; lanes beyond the image hold any pixel. */
static inline void sb_blend_lanes(const sb_layer *layer, const sb_operands *operands,
                                  const sb_cursor *at) {
    const sb_view *view = &layer->output;
    const sb_geometry *geometry = &layer->geometry;
    const size_t pixel = sb_view_pixel(view, at->y, at->x) * (size_t)view->pitch;
    sb_corners corners;
    for (int32_t lane = 0; lane < SB_LANES; ++lane) {
        const int64_t row = sb_view_image_row(view, lane, at->y);
        const int64_t column = sb_view_image_column(view, lane, at->x);
        const bool inside = row < geometry->out_height && column < geometry->out_width;
        sb_find_corners(layer, inside ? (size_t)row : 0, inside ? (size_t)column : 0, (size_t)lane,
                        &corners);
    }
    sb_blend(layer, operands, &corners, SB_LANES, (sb_element *)operands->output + pixel * SB_LANES,
             SB_LANES);
}

/* One row of a plain output. */
static inline void sb_blend_row(const sb_layer *layer, const sb_operands *operands, size_t row) {
    const size_t width = (size_t)layer->geometry.out_width;
    const size_t plane = (size_t)layer->geometry.out_height * width;
    for (size_t first = 0; first < width; first += SB_BLENDED_PIXELS) {
        const size_t left = width - first;
        const size_t count = left < SB_BLENDED_PIXELS ? left : SB_BLENDED_PIXELS;
        sb_corners corners;
        for (size_t i = 0; i < count; ++i)
            sb_find_corners(layer, row, first + i, i, &corners);
        sb_blend(layer, operands, &corners, count,
                 (sb_element *)operands->output + row * width + first, plane);
    }
}

static inline void sb_direct_blend(const sb_layer *layer, const sb_operands *operands) {
    const bool lanes = layer->output.lanes != 0;
    size_t begin, end;
    sb_take_share(operands,
                  lanes ? sb_tile_count(&layer->output) : (size_t)layer->geometry.out_height,
                  &begin, &end);
    if (!lanes) {
        for (size_t row = begin; row < end; ++row)
            sb_blend_row(layer, operands, row);
        return;
    }
    sb_cursor cursor = sb_cursor_at(&layer->output, begin);
    for (size_t t = begin; t < end; ++t, sb_move_on(&layer->output, &cursor))
        sb_blend_lanes(layer, operands, &cursor);
}

#endif
