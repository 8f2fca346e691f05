#include "view_plan.h"

#include "checked.h"
#include "kernels/dense/product_format.h"
#include "kernels/view.h"

enum { MOST_PIXELS = 1 << 29, CRITICAL_BYTES = 2048, SKEW_VECTORS = 8 };

static int32_t divide_up(int32_t value, int32_t by) {
    return value / by + (value % by != 0);
}

static bool in_range(int32_t value, int32_t low) {
    return value >= low && value <= MOST_PIXELS;
}

bool sb_view_holds(const sb_view *view, const sb_extent *extent) {
    if (!in_range(view->blocks_y, 1) || !in_range(view->blocks_x, 1) ||
        !in_range(view->block_height, 1) || !in_range(view->block_width, 1) ||
        !in_range(view->top, 0) || !in_range(view->bottom, 0) || !in_range(view->left, 0) ||
        !in_range(view->right, 0) || !in_range(view->pitch, extent->channels))
        return false;
    return (int64_t)view->blocks_y * view->blocks_x == view->lanes &&
           (int64_t)view->blocks_y * view->block_height >= extent->height &&
           (int64_t)view->blocks_x * view->block_width >= extent->width;
}

bool sb_view_elements(const sb_view *view, const sb_extent *extent, size_t *elements) {
    if (!view->lanes) {
        *elements = (size_t)extent->channels * extent->height * extent->width;
        return true;
    }
    const int64_t rows = (int64_t)view->top + view->block_height + view->bottom;
    const int64_t columns = (int64_t)view->left + view->block_width + view->right;
    size_t size = (size_t)view->pitch * view->lanes;
    if (rows > INT32_MAX || columns > INT32_MAX || !sb_checked_multiply(&size, (size_t)rows) ||
        !sb_checked_multiply(&size, (size_t)columns) || size > SIZE_MAX / 2 / sizeof(float))
        return false;
    *elements = size;
    return true;
}

void sb_view_cut(const sb_extent *extent, int32_t lanes, sb_view *view) {
    int64_t least = INT64_MAX, least_around = INT64_MAX;
    for (int32_t blocks_x = 1; blocks_x <= lanes; blocks_x *= 2) {
        const int32_t height = divide_up(extent->height, lanes / blocks_x);
        const int32_t width = divide_up(extent->width, blocks_x);
        const int64_t positions = (int64_t)height * width;
        const int64_t around = ((int64_t)height + 2) * ((int64_t)width + 2);
        if (positions > least || (positions == least && around >= least_around))
            continue;
        least = positions;
        least_around = around;
        *view = (sb_view){.lanes = lanes,
                          .blocks_y = lanes / blocks_x,
                          .blocks_x = blocks_x,
                          .block_height = height,
                          .block_width = width,
                          .pitch = extent->channels};
    }
}

/* What one axis of a block needs: its pixels, then halo before and after. */
static bool under_axis(int32_t block, const int32_t *window, int32_t *pixels, int32_t *before,
                       int32_t *after) {
    const int64_t kernel = window[0], stride = window[1], padding = window[2], dilation = window[3];
    const int64_t size = stride * block;
    const int64_t end = stride * (block - 1) + (kernel - 1) * dilation + 1 - padding;
    if (size > MOST_PIXELS || end - size > MOST_PIXELS)
        return false;
    *pixels = (int32_t)size;
    *before = (int32_t)padding;
    *after = end > size ? (int32_t)(end - size) : 0;
    return true;
}

bool sb_view_under(const sb_geometry *geometry, const sb_view *output, sb_view *view) {
    const int32_t vertical[] = {geometry->kernel_height, geometry->stride_height,
                                geometry->padding_top, geometry->dilation_height};
    const int32_t horizontal[] = {geometry->kernel_width, geometry->stride_width,
                                  geometry->padding_left, geometry->dilation_width};
    *view = *output;
    return under_axis(output->block_height, vertical, &view->block_height, &view->top,
                      &view->bottom) &&
           under_axis(output->block_width, horizontal, &view->block_width, &view->left,
                      &view->right);
}

bool sb_view_of_bytes(const sb_geometry *geometry, sb_view *view) {
    const int32_t down = sb_byte_step(geometry->kernel_height, geometry->stride_height,
                                      geometry->padding_top + geometry->padding_bottom);
    const int32_t right = sb_byte_step(geometry->kernel_width, geometry->stride_width,
                                       geometry->padding_left + geometry->padding_right);
    const sb_extent extent = {geometry->in_channels, geometry->in_height, geometry->in_width};
    size_t bytes;
    *view = (sb_view){.lanes = 1,
                      .blocks_y = 1,
                      .blocks_x = 1,
                      .block_height = divide_up(geometry->in_height, down),
                      .block_width = divide_up(geometry->in_width, right),
                      .top = geometry->padding_top,
                      .bottom = geometry->padding_bottom,
                      .left = geometry->padding_left,
                      .right = geometry->padding_right,
                      .pitch = geometry->in_channels};
    return sb_view_elements(view, &extent, &bytes) && bytes <= INT32_MAX - SB_MOST_STEP_BYTES;
}

bool sb_view_same_blocks(const sb_view *a, const sb_view *b) {
    return a->lanes == b->lanes && a->blocks_y == b->blocks_y && a->blocks_x == b->blocks_x &&
           a->block_height == b->block_height && a->block_width == b->block_width;
}

bool sb_view_covers(const sb_view *view, const sb_view *needed) {
    return sb_view_same_blocks(view, needed) && view->top >= needed->top &&
           view->bottom >= needed->bottom && view->left >= needed->left &&
           view->right >= needed->right;
}

bool sb_view_has_halo(const sb_view *view) {
    return view->top || view->bottom || view->left || view->right;
}

int32_t sb_view_pitch(int32_t channels, size_t vector_bytes) {
    const int64_t bytes = (int64_t)channels * (int64_t)vector_bytes;
    return bytes % CRITICAL_BYTES ? channels : channels + SKEW_VECTORS;
}
