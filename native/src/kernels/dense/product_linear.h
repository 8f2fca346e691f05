/* y = W q by products.h: a pixel is an image, its window all channels. Codes become bytes in the
 * share's scratch, SB_STRIP_IMAGES of them at a time; the shares divide the filters, so that every
 * weight is read once for that many images. */
#ifndef SB_KERNELS_PRODUCT_LINEAR_H
#define SB_KERNELS_PRODUCT_LINEAR_H

#include "../epilogue_codes.h"
#include "../lane/finish_row.h"
#include "products.h"

/* Bytes of images [first, first + count); totals: the sum of the codes of each. */
static inline void sb_load_images(const sb_layer *layer, const sb_operands *operands, size_t first,
                                  size_t count, sb_strip *strip, int32_t *totals) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    const sb_code *codes = (const sb_code *)operands->input + first * channels;
    uint8_t *bytes = (uint8_t *)(strip->sums + SB_STRIP_IMAGES * SB_FILTERS);
    strip->count = count;
    for (size_t n = 0; n < count; ++n, codes += channels, bytes += channels) {
        int32_t total = 0;
        for (size_t c = 0; c < channels; ++c) {
            bytes[c] = sb_byte_of_code(codes[c]);
            total += codes[c];
        }
        strip->pixels[n] = bytes;
        strip->slots[n] = (int32_t)n;
        totals[n] = total;
    }
}

/* The filters of a block for one image. total: the sum of its codes. */
static inline void sb_finish_image(const sb_layer *layer, const sb_operands *operands,
                                   const sb_product_block *block, size_t image, const int32_t *sums,
                                   int32_t total) {
    const size_t filters = (size_t)layer->geometry.out_channels;
    const size_t first = (size_t)block->first_filter, count = (size_t)block->filters;
    const sb_row row = {first, count, image * filters + first, (uint32_t)total};
#ifdef SB_ORDERED_SUMS
    sb_finish_row(layer, operands, &row, sums);
#else
    int32_t ordered[SB_FILTERS];
    for (size_t f = 0; f < count; ++f)
        ordered[f] = sums[f / SB_SUM_LANES * SB_SUM_LANES + sb_filter_position(f % SB_SUM_LANES)];
    sb_finish_row(layer, operands, &row, ordered);
#endif
}

static inline void sb_product_linear(const sb_layer *layer, const sb_operands *operands) {
    const sb_product_weights *weights = &layer->products;
    size_t begin, end;
    int32_t totals[SB_STRIP_IMAGES];
    sb_strip strip;
    strip.sums = operands->scratch;
    sb_take_share(operands, (size_t)weights->block_count, &begin, &end);
    for (size_t n = 0; n < operands->batch; n += SB_STRIP_IMAGES) {
        const size_t left = operands->batch - n;
        sb_load_images(layer, operands, n, left < SB_STRIP_IMAGES ? left : SB_STRIP_IMAGES, &strip,
                       totals);
        for (size_t b = begin; b < end; ++b) {
            const sb_product_block *block = weights->blocks + b;
            sb_multiply_block(weights, block, &strip);
            for (size_t i = 0; i < strip.count; ++i)
                sb_finish_image(layer, operands, block, n + i, strip.sums + i * SB_FILTERS,
                                totals[i]);
        }
    }
}

#endif
