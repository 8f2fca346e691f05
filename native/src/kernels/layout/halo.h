/* Fills the halo of a lane-blocked value, and its positions outside the image, after a kernel has
 * written the blocks. Row y, column x of a halo is row y mod block_height, column x mod block_width
 * of another block: the same vector with its lanes moved by whole blocks. */
#ifndef SB_KERNELS_HALO_H
#define SB_KERNELS_HALO_H

#include "../lane/permute.h"
#include "../view.h"

static inline int32_t sb_floor_divide(int32_t value, int32_t by) {
    return value >= 0 ? value / by : -((-value + by - 1) / by);
}

/* down, across: blocks from a lane's own to the one that position (y, x) lies in. */
static inline sb_lane_moves sb_find_moves(const sb_layer *layer, int32_t y, int32_t x, int32_t down,
                                          int32_t across) {
    const sb_view *view = &layer->output;
    const sb_geometry *geometry = &layer->geometry;
    const int32_t shift = down * view->blocks_x + across;
    sb_lane_moves moves;
    int64_t row = y, column = x;
    for (int32_t lane = 0, bx = 0; lane < SB_LANES; ++lane, column += view->block_width) {
        if (bx++ == view->blocks_x) {
            row += view->block_height;
            column = x;
            bx = 1;
        }
        const bool inside =
            row >= 0 && row < geometry->out_height && column >= 0 && column < geometry->out_width;
        moves.source[lane] = inside ? lane + shift : -1;
    }
    return moves;
}

#if defined(SB_CODES) && !defined(SB_CODES_PLAIN)
/* All lanes move by the same number of lanes, so a vector that starts as much earlier or later in
 * memory holds them, and a mask takes out the lanes of the channels beside it. Those must be the
 * share's own: [begin, end) is one channel less on either side. */
static inline void sb_shift_lanes(const sb_lane_moves *moves, const sb_element *source,
                                  size_t begin, size_t end, sb_element fill, sb_element *target) {
    sb_element kept[SB_LANES], filled[SB_LANES];
    sb_stored mask, filling;
    int32_t by = 0;
    for (int lane = 0; lane < SB_LANES; ++lane) {
        const int32_t from = moves->source[lane];
        by = from < 0 ? by : from - lane;
        kept[lane] = from < 0 ? 0 : (sb_element)~0u;
        filled[lane] = from < 0 ? fill : 0;
    }
    memcpy(&mask, kept, sizeof mask);
    memcpy(&filling, filled, sizeof filling);
    for (size_t i = begin * SB_LANES; i < end * SB_LANES; i += SB_LANES) {
        sb_stored moved;
        memcpy(&moved, source + i + by, sizeof moved);
        SB_PUT(target + i, (moved & mask) | filling);
    }
}
#endif

static inline void sb_move_lanes(const sb_lane_moves *moves, const sb_element *source, size_t begin,
                                 size_t end, sb_element fill, sb_element *target) {
    const sb_permutation permutation = sb_prepare_moves(moves);
    const sb_stored filling = SB_FILL(fill);
    for (size_t i = begin * SB_LANES; i < end * SB_LANES; i += SB_LANES)
        SB_PUT(target + i, sb_take_lanes(permutation, SB_FETCH(source + i), filling));
}

/* Channels [begin, end) of a pixel. */
static inline void sb_move_pixel(const sb_lane_moves *moves, const sb_element *source, size_t begin,
                                 size_t end, sb_element fill, sb_element *target) {
#if defined(SB_CODES) && !defined(SB_CODES_PLAIN)
    if (end - begin > 2) {
        sb_move_lanes(moves, source, begin, begin + 1, fill, target);
        sb_shift_lanes(moves, source, begin + 1, end - 1, fill, target);
        begin = end - 1;
    }
#endif
    sb_move_lanes(moves, source, begin, end, fill, target);
}

/* Whether every lane holds its own pixel of the image at this position. */
static inline bool sb_is_settled(const sb_layer *layer, int32_t y, int32_t x) {
    const sb_view *view = &layer->output;
    return y >= 0 && y < view->block_height && x >= 0 && x < view->block_width &&
           sb_view_image_row(view, SB_LANES - 1, y) < layer->geometry.out_height &&
           sb_view_image_column(view, SB_LANES - 1, x) < layer->geometry.out_width;
}

/* Channels [begin, end) of every position that repeats position (y, x) of a block: whole blocks
 * above and below, to the left and to the right. It itself comes last, where it is not settled. */
static inline void sb_repeat_position(const sb_layer *layer, sb_element *output, int32_t y,
                                      int32_t x, size_t begin, size_t end) {
    const sb_view *view = &layer->output;
    const int32_t height = view->block_height, width = view->block_width;
    const sb_element *source = output + sb_view_pixel(view, y, x) * view->pitch * SB_LANES;
    const int32_t top = -((y + view->top) / height), left = -((x + view->left) / width);
    for (int32_t down = top; y + down * height < height + view->bottom; ++down)
        for (int32_t across = left; x + across * width < width + view->right; ++across) {
            const int32_t row = y + down * height, column = x + across * width;
            if (!down && !across)
                continue;
            const sb_lane_moves moves = sb_find_moves(layer, row, column, down, across);
            sb_move_pixel(&moves, source, begin, end, (sb_element)view->fill,
                          output + sb_view_pixel(view, row, column) * view->pitch * SB_LANES);
        }
    if (!sb_is_settled(layer, y, x)) {
        const sb_lane_moves moves = sb_find_moves(layer, y, x, 0, 0);
        sb_move_pixel(&moves, source, begin, end, (sb_element)view->fill,
                      output + sb_view_pixel(view, y, x) * view->pitch * SB_LANES);
    }
}

/* Whether no halo repeats position (y, x) of a block. */
static inline bool sb_is_inner(const sb_view *view, int32_t y, int32_t x) {
    return y >= view->bottom && y < view->block_height - view->top && x >= view->right &&
           x < view->block_width - view->left;
}

/* A share has positions of a block, mostly those that its thread has written, and all that repeats
 * them; where there are too few, channels. What one share fills, no other reads. */
static inline void sb_layout_halo(const sb_layer *layer, const sb_operands *operands) {
    const sb_view *view = &layer->output;
    const int32_t width = view->block_width;
    const size_t positions = (size_t)view->block_height * (size_t)width;
    const bool filled = sb_is_settled(layer, view->block_height - 1, width - 1);
    size_t first = 0, last = positions, begin = 0, end = (size_t)layer->geometry.out_channels;
    if (positions < operands->shares)
        sb_take_share(operands, end, &begin, &end);
    else
        sb_take_share(operands, positions, &first, &last);
    if (begin == end)
        return;
    int32_t y = (int32_t)first / width, x = (int32_t)first % width;
    for (size_t position = first; position < last; ++position) {
        if (!filled || !sb_is_inner(view, y, x))
            sb_repeat_position(layer, operands->output, y, x, begin, end);
        if (++x == width) {
            x = 0;
            ++y;
        }
    }
}

#endif
