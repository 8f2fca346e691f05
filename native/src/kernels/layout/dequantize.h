/* From codes to float32 numbers, and from one view of the image to another on the way.
 * real: the factor. */
#ifndef SB_KERNELS_DEQUANTIZE_H
#define SB_KERNELS_DEQUANTIZE_H

#include "../view.h"

/* All channels [begin, end) of one pixel of the target, one lane of it. source: the pixel's channel
 * 0, NULL outside the image. */
static inline void sb_dequantize_pixel(const sb_layer *layer, const sb_code *source, size_t begin,
                                       size_t end, float *target) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t zero = layer->epilogue.requantize.input_zero;
    const size_t from =
        sb_view_channel_step(&layer->input, geometry->in_height, geometry->in_width);
    const size_t to = sb_view_channel_step(&layer->output, geometry->in_height, geometry->in_width);
    for (size_t c = begin; c < end; ++c)
        target[c * to] =
            source ? (float)(source[c * from] - zero) * layer->real[0] : layer->output.fill;
}

static inline const sb_code *sb_code_pixel(const sb_layer *layer, const sb_code *input, int64_t y,
                                           int64_t x) {
    const sb_geometry *geometry = &layer->geometry;
    if (y < 0 || y >= geometry->in_height || x < 0 || x >= geometry->in_width)
        return NULL;
    return input + sb_view_element(&layer->input, geometry->in_width, (int32_t)y, (int32_t)x);
}

/* The channels are shared out. */
static inline void sb_layout_dequantize(const sb_layer *layer, const sb_operands *operands) {
    const sb_view *view = &layer->output;
    float *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, (size_t)layer->geometry.in_channels, &begin, &end);
    if (!view->lanes) {
        for (int32_t y = 0; y < layer->geometry.in_height; ++y)
            for (int32_t x = 0; x < layer->geometry.in_width; ++x)
                sb_dequantize_pixel(layer, sb_code_pixel(layer, operands->input, y, x), begin, end,
                                    output + (size_t)y * layer->geometry.in_width + x);
        return;
    }
    for (int32_t y = -view->top; y < view->block_height + view->bottom; ++y)
        for (int32_t x = -view->left; x < view->block_width + view->right; ++x)
            for (int32_t lane = 0; lane < view->lanes; ++lane)
                sb_dequantize_pixel(
                    layer,
                    sb_code_pixel(layer, operands->input, sb_view_image_row(view, lane, y),
                                  sb_view_image_column(view, lane, x)),
                    begin, end,
                    output + sb_view_pixel(view, y, x) * view->pitch * view->lanes + lane);
}

#endif
