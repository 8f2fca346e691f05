/* Addresses in a view: the one place that knows where a pixel lies. */
#ifndef SB_KERNELS_VIEW_H
#define SB_KERNELS_VIEW_H

#include "kernel.h"

static inline int32_t sb_view_rows(const sb_view *view) {
    return view->top + view->block_height + view->bottom;
}

static inline int32_t sb_view_columns(const sb_view *view) {
    return view->left + view->block_width + view->right;
}

/* Pixels from the start of a lane-blocked view to row y, column x of the block; negative ones and
 * those past the block lie in the halo. */
static inline size_t sb_view_pixel(const sb_view *view, int32_t y, int32_t x) {
    return (size_t)(y + view->top) * (size_t)sb_view_columns(view) + (size_t)(x + view->left);
}

/* Elements from the start of a view of H x W pixels to channel 0 of pixel (y, x) of the image. */
static inline size_t sb_view_element(const sb_view *view, int32_t width, int32_t y, int32_t x) {
    if (!view->lanes)
        return (size_t)y * (size_t)width + (size_t)x;
    const int32_t lane = y / view->block_height * view->blocks_x + x / view->block_width;
    const size_t pixel = sb_view_pixel(view, y % view->block_height, x % view->block_width);
    return pixel * (size_t)view->pitch * (size_t)view->lanes + (size_t)lane;
}

/* Elements between two channels of a pixel. */
static inline size_t sb_view_channel_step(const sb_view *view, int32_t height, int32_t width) {
    return view->lanes ? (size_t)view->lanes : (size_t)height * (size_t)width;
}

/* Image row and column that a lane holds at row y, column x of its block. */
static inline int64_t sb_view_image_row(const sb_view *view, int32_t lane, int32_t y) {
    return (int64_t)(lane / view->blocks_x) * view->block_height + y;
}

static inline int64_t sb_view_image_column(const sb_view *view, int32_t lane, int32_t x) {
    return (int64_t)(lane % view->blocks_x) * view->block_width + x;
}

/* Columns before and behind a row of the image that vectors of a view reach into, when they are
 * read `lanes` columns at a time. */
static inline int64_t sb_row_margin(const sb_view *view, int32_t lanes) {
    return (int64_t)view->left + view->right + 2 * (int64_t)lanes;
}

/* An image of bytes (layout/bytes.h) keeps every how many rows or columns: windows of one pixel
 * without padding, before and after together, read one in `stride` only. */
static inline int32_t sb_byte_step(int32_t kernel, int32_t stride, int32_t padding) {
    return kernel == 1 && padding == 0 ? stride : 1;
}

/* Vectors from a window's first input to that of tap (r, s); nothing for a linear layer. */
static inline int64_t sb_tap_vectors(const sb_geometry *geometry, const sb_view *input, int32_t r,
                                     int32_t s) {
    const int64_t columns = input->lanes ? sb_view_columns(input) : 0;
    return ((int64_t)r * geometry->dilation_height * columns +
            (int64_t)s * geometry->dilation_width) *
           input->pitch;
}

#endif
