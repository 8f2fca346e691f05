/* From float32 numbers to codes, and from one view of the image to another on the way. real: the
 * factor. Where both views cut the image into the same blocks, a vector of numbers is one of codes.
 * Else rows of the image become codes in the share's scratch, and those the target's vectors. */
#ifndef SB_KERNELS_QUANTIZE_H
#define SB_KERNELS_QUANTIZE_H

#include "../epilogue_codes.h"
#include "../lane/transpose.h"
#include "../view.h"
#include "halo.h"

/* Codes of one channel of one row of the image. A row outside it is `fill` throughout. */
static inline void sb_quantize_row(const sb_layer *layer, const float *input, int64_t y,
                                   int32_t channel, sb_code *codes) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_requantize *requantize = &layer->epilogue.requantize;
    const sb_view *view = &layer->input;
    const float factor = layer->real[0];
    const int32_t width = geometry->in_width, zero = requantize->output_zero;
    const int32_t top = requantize->output_top;
    const size_t plane =
        channel * sb_view_channel_step(view, geometry->in_height, geometry->in_width);
    if (y < 0 || y >= geometry->in_height) {
        for (int32_t x = 0; x < width; ++x)
            codes[x] = (sb_code)layer->output.fill;
    } else if (view->lanes) {
        const size_t step = (size_t)view->pitch * (size_t)view->lanes;
        for (int32_t x = 0; x < width; x += view->block_width) {
            const float *block = input + plane + sb_view_element(view, width, (int32_t)y, x);
            for (int32_t i = 0; i < view->block_width && x + i < width; ++i)
                codes[x + i] = sb_to_code(block[(size_t)i * step] * factor, zero, top);
        }
    } else {
        const float *row = input + plane + (size_t)y * width;
        for (int32_t x = 0; x < width; ++x)
            codes[x] = sb_to_code(row[x] * factor, zero, top);
    }
}

/* The rows of the image under row y of all blocks: [blocks_y][margin + width + margin], the margins
 * `fill`. Scratch holds them, and a row of fill behind them for what lies below the image. */
typedef struct sb_code_rows {
    sb_code *first;
    int64_t margin, stride;
} sb_code_rows;

static inline sb_code_rows sb_lay_rows(const sb_layer *layer, sb_code *scratch) {
    const sb_view *view = &layer->output;
    sb_code_rows rows = {scratch, sb_row_margin(view, SB_LANES), 0};
    rows.stride = 2 * rows.margin + (int64_t)view->blocks_x * view->block_width;
    for (int64_t i = 0; i < rows.stride * view->blocks_y; ++i)
        scratch[i] = (sb_code)view->fill;
    return rows;
}

/* One channel of one row of the target: position by position, SB_LANES at a time. */
static inline void sb_quantize_lanes(const sb_layer *layer, const sb_operands *operands, int32_t y,
                                     int32_t channel, const sb_code_rows *rows) {
    const sb_view *view = &layer->output;
    const size_t step = (size_t)view->pitch * SB_LANES;
    sb_code *target = (sb_code *)operands->output +
                      (sb_view_pixel(view, y, -view->left) * view->pitch + channel) * SB_LANES;
    for (int32_t block = 0; block < view->blocks_y; ++block)
        sb_quantize_row(layer, operands->input, (int64_t)block * view->block_height + y, channel,
                        rows->first + block * rows->stride + rows->margin);
    for (int32_t x = 0; x < sb_view_columns(view); x += SB_LANES) {
        sb_stored square[SB_LANES];
        for (int32_t i = 0; i < SB_LANES; ++i) {
            const sb_code *source = rows->first + i / view->blocks_x * rows->stride + rows->margin +
                                    i % view->blocks_x * view->block_width - view->left + x;
            memcpy(square + i, source, sizeof *square);
        }
        sb_transpose(square);
        for (int32_t i = 0; i < SB_LANES && x + i < sb_view_columns(view); ++i)
            SB_PUT(target + (x + i) * step, square[i]);
    }
}

/* Plain numbers lie as their codes will: all of them are one row. */
static inline void sb_quantize_run(const sb_layer *layer, const sb_operands *operands, size_t begin,
                                   size_t end) {
    const sb_requantize *requantize = &layer->epilogue.requantize;
    const float *input = operands->input, factor = layer->real[0];
    const int32_t zero = requantize->output_zero, top = requantize->output_top;
    sb_code *output = operands->output;
    for (size_t i = begin; i < end; ++i)
        output[i] = sb_to_code(input[i] * factor, zero, top);
}

static inline void sb_quantize_plain(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t plane = (size_t)geometry->in_height * (size_t)geometry->in_width;
    sb_code *output = operands->output;
    size_t begin, end;
    if (!layer->input.lanes) {
        sb_take_share(operands, (size_t)geometry->in_channels * plane, &begin, &end);
        sb_quantize_run(layer, operands, begin, end);
        return;
    }
    sb_take_share(operands, (size_t)geometry->in_channels, &begin, &end);
    for (size_t c = begin; c < end; ++c)
        for (int32_t y = 0; y < geometry->in_height; ++y)
            sb_quantize_row(layer, operands->input, y, (int32_t)c,
                            output + (c * geometry->in_height + y) * geometry->in_width);
}

static inline bool sb_same_blocks(const sb_view *a, const sb_view *b) {
    return a->lanes == SB_LANES && b->lanes == SB_LANES && a->blocks_x == b->blocks_x &&
           a->block_height == b->block_height && a->block_width == b->block_width;
}

/* All channels of a pixel. moves: where its lanes come from, NULL where each is its own. */
static inline void sb_quantize_pixel(const sb_layer *layer, const float *source,
                                     const sb_lane_moves *moves, sb_code *target) {
    const sb_requantize *requantize = &layer->epilogue.requantize;
    const int32_t zero = requantize->output_zero, top = requantize->output_top;
    const size_t end = (size_t)layer->geometry.in_channels * SB_LANES;
    const float factor = layer->real[0];
    for (size_t i = 0; i < end; i += SB_LANES)
        for (int lane = 0; lane < SB_LANES; ++lane)
            target[i + (size_t)lane] = sb_to_code(source[i + (size_t)lane] * factor, zero, top);
    if (moves)
        sb_move_lanes(moves, target, 0, (size_t)layer->geometry.in_channels,
                      (sb_code)layer->output.fill, target);
}

/* Row y of the blocks, or of their halo, which holds pixels of other blocks. */
static inline void sb_quantize_blocks(const sb_layer *layer, const sb_operands *operands,
                                      int32_t y) {
    const sb_view *from = &layer->input, *to = &layer->output;
    const float *input = operands->input;
    sb_code *output = operands->output;
    const int32_t down = sb_floor_divide(y, to->block_height);
    for (int32_t x = -to->left; x < to->block_width + to->right; ++x) {
        const int32_t across = sb_floor_divide(x, to->block_width);
        const bool settled = sb_is_settled(layer, y, x);
        sb_lane_moves moves;
        if (!settled)
            moves = sb_find_moves(layer, y, x, down, across);
        const size_t source =
            sb_view_pixel(from, y - down * to->block_height, x - across * to->block_width);
        sb_quantize_pixel(layer, input + source * (size_t)from->pitch * SB_LANES,
                          settled ? NULL : &moves,
                          output + sb_view_pixel(to, y, x) * (size_t)to->pitch * SB_LANES);
    }
}

/* Rows of the target are shared out. */
static inline void sb_layout_quantize(const sb_layer *layer, const sb_operands *operands) {
    const sb_view *view = &layer->output;
    size_t begin, end;
    if (!view->lanes) {
        sb_quantize_plain(layer, operands);
        return;
    }
    sb_take_share(operands, (size_t)sb_view_rows(view), &begin, &end);
    if (sb_same_blocks(&layer->input, view)) {
        for (int32_t y = (int32_t)begin - view->top; y < (int32_t)end - view->top; ++y)
            sb_quantize_blocks(layer, operands, y);
        return;
    }
    const sb_code_rows rows = sb_lay_rows(layer, operands->scratch);
    for (int32_t y = (int32_t)begin - view->top; y < (int32_t)end - view->top; ++y)
        for (int32_t c = 0; c < layer->geometry.in_channels; ++c)
            sb_quantize_lanes(layer, operands, y, c, &rows);
}

#endif
