/* Convolution by products.h. The input is an image of bytes (layout/bytes.h); the sums of a strip
 * of output positions turn from filters in the lanes to pixels in the lanes on their way through
 * the epilogue, two vectors of positions at a time whatever the tile. */
#ifndef SB_KERNELS_PRODUCT_CONV2D_H
#define SB_KERNELS_PRODUCT_CONV2D_H

#define SB_VECTORS 2

#include "depthwise_codes.h"
#include "products.h"

#include "finish_positions.h"

enum { SB_STRIP_POSITIONS = SB_STRIP_SLOTS / SB_LANES };

/* A strip and the positions [first, first + positions) of the output's blocks that it covers.
 * totals: the sum of every window, [slot], where the layer needs them. */
typedef struct sb_positions {
    sb_strip strip;
    size_t first, count;
    int32_t totals[SB_STRIP_SLOTS];
} sb_positions;

/* Adds the pixels of one position, those that lie in the image. */
static inline void sb_add_position(const sb_layer *layer, const uint8_t *input, sb_cursor at,
                                   int32_t slot, sb_strip *strip) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_view *bytes = &layer->input, *output = &layer->output;
    const size_t pixel = (size_t)bytes->pitch;
    const size_t right = pixel * geometry->stride_width /
                         sb_byte_step(geometry->kernel_width, geometry->stride_width,
                                      geometry->padding_left + geometry->padding_right);
    const size_t down = pixel * sb_view_columns(bytes) * geometry->stride_height /
                        sb_byte_step(geometry->kernel_height, geometry->stride_height,
                                     geometry->padding_top + geometry->padding_bottom);
    for (int32_t i = 0; i < output->blocks_y; ++i, slot += output->blocks_x) {
        const int64_t y = (int64_t)i * output->block_height + at.y;
        for (int32_t j = 0; j < output->blocks_x && y < geometry->out_height; ++j) {
            const int64_t x = (int64_t)j * output->block_width + at.x;
            if (x >= geometry->out_width)
                break;
            strip->pixels[strip->count] = input + (size_t)y * down + (size_t)x * right;
            strip->slots[strip->count++] = slot + j;
        }
    }
}

static inline void sb_aim_positions(const sb_layer *layer, const sb_operands *operands,
                                    size_t first, sb_positions *positions) {
    const sb_view *output = &layer->output;
    const size_t left = (size_t)output->block_height * output->block_width - first;
    positions->first = first;
    positions->count = left < SB_STRIP_POSITIONS ? left : SB_STRIP_POSITIONS;
    positions->strip.count = 0;
    for (size_t i = 0; i < positions->count; ++i)
        sb_add_position(layer, operands->input, sb_position_at(layer, first + i),
                        (int32_t)i * SB_LANES, &positions->strip);
}

/* The sum of all codes under the windows of a convolution group. */
static inline void sb_total_positions(const sb_layer *layer, int32_t group,
                                      sb_positions *positions) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t channels = (size_t)(geometry->in_channels / geometry->groups);
    const size_t pixel = (size_t)layer->input.pitch;
    const size_t row = pixel * sb_view_columns(&layer->input) * geometry->dilation_height;
    for (size_t i = 0; i < positions->strip.count; ++i) {
        const uint8_t *window = positions->strip.pixels[i] + group * channels;
        int32_t total = 0;
        for (int32_t r = 0; r < geometry->kernel_height; ++r)
            for (int32_t s = 0; s < geometry->kernel_width; ++s) {
                const uint8_t *tap = window + r * row + s * pixel * geometry->dilation_width;
                for (size_t c = 0; c < channels; ++c)
                    total += sb_code_of_byte(tap[c]);
            }
        positions->totals[positions->strip.slots[i]] = total;
    }
}

static inline void sb_finish_product_block(const sb_layer *layer, const sb_operands *operands,
                                           int32_t group, const sb_product_block *block,
                                           const sb_positions *positions) {
    const sb_block_sums sums = {.first_filter = block->first_filter,
                                .filters = block->filters,
                                .stride = SB_FILTERS,
                                .sums = positions->strip.sums,
                                .totals = positions->totals,
                                .first = positions->first,
                                .count = positions->count};
    sb_finish_block(layer, operands, group, &sums);
}

static inline void sb_product_conv2d(const sb_layer *layer, const sb_operands *operands) {
    const sb_product_weights *weights = &layer->products;
    const size_t count = (size_t)layer->output.block_height * layer->output.block_width;
    const sb_split split =
        sb_divide(operands, (count + SB_STRIP_POSITIONS - 1) / SB_STRIP_POSITIONS,
                  (size_t)weights->block_count);
    sb_positions positions = {.strip.sums = operands->scratch, .totals = {0}};
    if (layer->geometry.in_channels == layer->geometry.groups) {
        sb_depthwise(layer, operands);
        return;
    }
    for (size_t i = split.first_tile; i < split.end_tile; ++i) {
        sb_aim_positions(layer, operands, i * SB_STRIP_POSITIONS, &positions);
        for (int32_t group = 0; group < layer->geometry.groups; ++group) {
            const sb_product_block *blocks = weights->blocks + (size_t)group * weights->block_count;
            if (layer->epilogue.offset)
                sb_total_positions(layer, group, &positions);
            for (size_t b = split.first_filters; b < split.end_filters; ++b) {
                sb_multiply_block(weights, blocks + b, &positions.strip);
                sb_finish_product_block(layer, operands, group, blocks + b, &positions);
            }
        }
    }
}

#endif
