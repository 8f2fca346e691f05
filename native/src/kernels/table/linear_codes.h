/* y = W q by table: exact sums of codes, then their chain. */
#ifndef SB_KERNELS_TABLE_LINEAR_CODES_H
#define SB_KERNELS_TABLE_LINEAR_CODES_H

#define SB_TABLE_CODES 1
#include "../lane/finish_row.h"
#include "strips.h"

static inline uint32_t sb_sum_codes(const sb_table_input *codes, size_t count) {
    uint32_t total = 0;
    for (size_t c = 0; c < count; ++c)
        total += codes[c];
    return total;
}

/* first: the strip's first image. */
static inline void sb_finish_strip(const sb_layer *layer, const sb_operands *operands,
                                   const sb_table_strip *strip, size_t first) {
    const size_t filters = (size_t)layer->geometry.out_channels;
    const size_t channels = (size_t)layer->geometry.in_channels;
    const bool shows = layer->sums.twice || layer->epilogue.offset;
    for (size_t image = 0; image < strip->count; ++image) {
        const sb_table_input *codes = strip->inputs + image * channels;
        const uint32_t total = shows ? sb_sum_codes(codes, channels) : 0;
        for (size_t block = strip->begin; block < strip->end; ++block) {
            const size_t k = block * SB_FILTERS, left = filters - k;
            const sb_row row = {k, left < SB_FILTERS ? left : SB_FILTERS,
                                (first + image) * filters + k, total};
            sb_finish_row(layer, operands, &row, sb_sums_of(strip, block, image));
        }
    }
}

static inline void sb_table_linear(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    sb_table_strip strip = sb_strip_of(layer, operands);
    for (size_t n = 0; n < operands->batch && strip.begin < strip.end; n += strip.count) {
        const size_t images = operands->batch - n;
        strip.count = images < SB_TABLE_IMAGES ? images : SB_TABLE_IMAGES;
        strip.inputs = (const sb_table_input *)operands->input + n * channels;
        sb_sum_strip(layer, &strip);
        sb_finish_strip(layer, operands, &strip, n);
    }
}

#endif
