/* y = W x by table, x float32 whose rows become 8-bit codes: q = round(x / step) + zero with step =
 * max |x| / 127 and zero = 128; where no x is below 0, step = max x / 255 and zero = 0. Sums of
 * codes are exact, and a row's codes depend on the row alone. A row with a number that is not
 * finite gives NaN; one whose largest number is below 2^-100 counts as zeros. */
#ifndef SB_KERNELS_TABLE_CODED_LINEAR_H
#define SB_KERNELS_TABLE_CODED_LINEAR_H

#define SB_TABLE_CODES 1
#include "finish_floats.h"
#include "strips.h"

/* How the codes of a row are read: x = step * (q - zero); total: the sum of q - zero. */
typedef struct sb_coding {
    float step;
    int32_t zero, total;
} sb_coding;

/* The largest |x|, as the bits of a float, which are in the order of the numbers; infinity and NaN
 * are above all of them. */
static inline uint32_t sb_largest(const float *row, size_t count, bool *negative) {
    uint32_t largest = 0, below = 0;
    for (size_t i = 0; i < count; ++i) {
        uint32_t bits;
        memcpy(&bits, row + i, sizeof bits);
        below |= row[i] < 0.0f;
        bits &= 0x7fffffff;
        largest = bits > largest ? bits : largest;
    }
    *negative = below != 0;
    return largest;
}

static inline sb_coding sb_code_row(const float *row, size_t count, uint16_t *codes) {
    enum { INFINITE = 0x7f800000, SMALLEST = (127 - 100) << 23 };
    bool negative;
    const uint32_t bits = sb_largest(row, count, &negative);
    sb_coding coding = {0.0f, negative ? 128 : 0, 0};
    float most, factor = 0.0f;
    memcpy(&most, &bits, sizeof most);
    if (bits >= INFINITE)
        coding.step = most - most; /* NaN */
    else if (bits >= SMALLEST) {
        coding.step = most / (negative ? 127.0f : 255.0f);
        factor = (negative ? 127.0f : 255.0f) / most;
    }
    if (bits >= INFINITE || bits < SMALLEST) {
        for (size_t i = 0; i < count; ++i)
            codes[i] = (uint16_t)coding.zero;
        return coding;
    }
    int32_t total = 0;
    for (size_t i = 0; i < count; ++i) {
        const int32_t rounded = sb_round(row[i] * factor);
        codes[i] = (uint16_t)(rounded + coding.zero);
        total += rounded;
    }
    coding.total = total;
    return coding;
}

/* One block of one image: S - zero * sum of digits, exact, times the step. */
static inline void sb_finish_coded(const sb_layer *layer, const sb_operands *operands,
                                   const sb_coding *coding, size_t n, size_t block, int32_t *sums) {
    const size_t filters = (size_t)layer->geometry.out_channels;
    const size_t k = block * SB_FILTERS, left = filters - k;
    const size_t count = left < SB_FILTERS ? left : SB_FILTERS;
    const int32_t *digits = layer->tables.digit_sums + k;
    const sb_row_sums row = {(float)coding->total * coding->step, 0.0f};
    float f[SB_FILTERS];
    for (size_t i = 0; i < count; ++i)
        f[i] = (float)(sums[i] - coding->zero * digits[i]) * coding->step;
    sb_finish_floats(layer, operands, k, count, n * filters + k, &row, f);
}

static inline void sb_table_coded_linear(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    sb_coding codings[SB_TABLE_IMAGES];
    sb_table_strip strip = sb_strip_of(layer, operands);
    uint16_t *codes = strip.spare;
    strip.inputs = codes;
    for (size_t n = 0; n < operands->batch && strip.begin < strip.end; n += strip.count) {
        const size_t images = operands->batch - n;
        const float *rows = (const float *)operands->input + n * channels;
        strip.count = images < SB_TABLE_IMAGES ? images : SB_TABLE_IMAGES;
        for (size_t i = 0; i < strip.count; ++i)
            codings[i] = sb_code_row(rows + i * channels, channels, codes + i * channels);
        sb_sum_strip(layer, &strip);
        for (size_t i = 0; i < strip.count; ++i)
            for (size_t block = strip.begin; block < strip.end; ++block)
                sb_finish_coded(layer, operands, codings + i, n + i, block,
                                sb_sums_of(&strip, block, i));
    }
}

#endif
