/* y = W x by table on float32. A sum adds the sums of its cells one after the other, whatever the
 * batch and the number of shares. */
#ifndef SB_KERNELS_TABLE_LINEAR_FLOATS_H
#define SB_KERNELS_TABLE_LINEAR_FLOATS_H

#include "finish_floats.h"
#include "strips.h"

enum { SB_PARTIAL_TOTALS = 16 };

/* The sum of a row: 16 sums side by side, then those. */
static inline float sb_total_of(const float *inputs, size_t count) {
    float parts[SB_PARTIAL_TOTALS] = {0.0f}, total = 0.0f;
    size_t c = 0;
    for (; c + SB_PARTIAL_TOTALS <= count; c += SB_PARTIAL_TOTALS)
        for (size_t i = 0; i < SB_PARTIAL_TOTALS; ++i)
            parts[i] += inputs[c + i];
    for (size_t i = 0; c < count; ++c, ++i)
        parts[i] += inputs[c];
    for (size_t i = 0; i < SB_PARTIAL_TOTALS; ++i)
        total += parts[i];
    return total;
}

static inline void sb_table_linear(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    const size_t filters = (size_t)layer->geometry.out_channels;
    sb_table_strip strip = sb_strip_of(layer, operands);
    for (size_t n = 0; n < operands->batch && strip.begin < strip.end; n += strip.count) {
        const size_t images = operands->batch - n;
        strip.count = images < SB_TABLE_IMAGES ? images : SB_TABLE_IMAGES;
        strip.inputs = (const float *)operands->input + n * channels;
        sb_sum_strip(layer, &strip);
        for (size_t image = 0; image < strip.count; ++image) {
            const float total = sb_total_of(strip.inputs + image * channels, channels);
            for (size_t block = strip.begin; block < strip.end; ++block) {
                const size_t k = block * SB_FILTERS, left = filters - k;
                sb_finish_floats(layer, operands, k, left < SB_FILTERS ? left : SB_FILTERS,
                                 (n + image) * filters + k, total,
                                 sb_sums_of(&strip, block, image));
            }
        }
    }
}

#endif
