/* y = W x by table on float32. A sum adds the sums of its cells one after the other, whatever the
 * batch and the number of shares.
 *
 * Where weights have an offset, y = a * S(x) + o * T(x), and the two terms, each as large as the
 * sum of all inputs, may nearly cancel: inputs behind a ReLU under weights whose mean is zero. With
 * the mean m of the row, x = x' + m, it is y = a * S(x') + o * T(x') + m * sum of the weights whose
 * terms are no larger than y is. That holds for any m, so m may be rounded. */
#ifndef SB_KERNELS_TABLE_LINEAR_FLOATS_H
#define SB_KERNELS_TABLE_LINEAR_FLOATS_H

#include "finish_floats.h"
#include "strips.h"

enum { SB_PARTIAL_TOTALS = 16 };

/* The sum of a row less `middle` each: 16 sums side by side, then those. */
static inline float sb_total_of(const float *inputs, size_t count, float middle) {
    float parts[SB_PARTIAL_TOTALS] = {0.0f}, total = 0.0f;
    size_t c = 0;
    for (; c + SB_PARTIAL_TOTALS <= count; c += SB_PARTIAL_TOTALS)
        for (size_t i = 0; i < SB_PARTIAL_TOTALS; ++i)
            parts[i] += inputs[c + i] - middle;
    for (size_t i = 0; c < count; ++c, ++i)
        parts[i] += inputs[c] - middle;
    for (size_t i = 0; i < SB_PARTIAL_TOTALS; ++i)
        total += parts[i];
    return total;
}

/* The middle of every image of the strip, 0 where weights have no offset, and the sums around it.
 */
static inline void sb_centre_rows(const sb_layer *layer, sb_table_strip *strip, float *totals) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    for (size_t image = 0; image < strip->count; ++image) {
        const float *row = strip->inputs + image * channels;
        strip->middles[image] = 0.0f;
        totals[image] = sb_total_of(row, channels, 0.0f);
        if (layer->epilogue.weight_sums) {
            strip->middles[image] = totals[image] / (float)channels;
            totals[image] = sb_total_of(row, channels, strip->middles[image]);
        }
    }
}

static inline void sb_table_linear(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    const size_t filters = (size_t)layer->geometry.out_channels;
    float totals[SB_TABLE_IMAGES];
    sb_table_strip strip = sb_strip_of(layer, operands);
    for (size_t n = 0; n < operands->batch && strip.begin < strip.end; n += strip.count) {
        const size_t images = operands->batch - n;
        strip.count = images < SB_TABLE_IMAGES ? images : SB_TABLE_IMAGES;
        strip.inputs = (const float *)operands->input + n * channels;
        sb_centre_rows(layer, &strip, totals);
        sb_sum_strip(layer, &strip);
        for (size_t image = 0; image < strip.count; ++image) {
            const sb_row_sums row = {totals[image], strip.middles[image]};
            for (size_t block = strip.begin; block < strip.end; ++block) {
                const size_t k = block * SB_FILTERS, left = filters - k;
                sb_finish_floats(layer, operands, k, left < SB_FILTERS ? left : SB_FILTERS,
                                 (n + image) * filters + k, &row, sb_sums_of(&strip, block, image));
            }
        }
    }
}

#endif
