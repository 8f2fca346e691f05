/* What an exported network computes with: images of codes, four pixels to a word, and the kernels
 * that read and write them. C99, no heap, no libm, nothing global that is not const.
 *
 * How an image lies. A row of `width` pixels is `columns` words, columns >= width / 4, and byte l
 * of word j is pixel l * columns + j. Of 8 pixels p0..p7 (columns 2):
 *
 *     word 0: p0 p2 p4 p6      word 1: p1 p3 p5 p7
 *
 * so that the four left neighbours of a word's pixels are the word before it, and those of word 0
 * are word 1 shifted by a byte, (border) p1 p3 p5: a convolution loads whole words only, at any
 * stride, and a border costs two shifts a row. Border words and rows hold `zero`, the code of 0. */
#ifndef SBC_H
#define SBC_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sbc_image {
    uint16_t channels, height, width;
    uint16_t columns;   /* words of a row that hold pixels */
    uint16_t row;       /* words from a row to the next, borders included */
    uint16_t top, left; /* rows and words of border before the first pixel */
    uint32_t plane;     /* words from a channel to the next */
    uint8_t zero;
} sbc_image;

typedef struct sbc_window {
    uint16_t height, width, stride_y, stride_x, dilation_y, dilation_x;
    uint16_t top, left; /* padding */
} sbc_window;

/* Who looks at the images of a network while it runs: see NAME_run_watched. */
typedef void (*sbc_watch)(void *context, uint32_t which, const sbc_image *image,
                          const uint32_t *words);

enum { SBC_NONE, SBC_RELU, SBC_LEAKY, SBC_CLAMP };
enum { SBC_WITH_TOTAL = 1, SBC_WITH_RESIDUAL = 2, SBC_PLAIN = 4, SBC_BOUNDED_LEAKY = 8 };

/* From whole sums A of codes to codes, one float operation after the other, each rounded:
 *
 *   f = A * scale[k] + bias[k] [+ offset[k] * T] [+ residual_scale * (r - residual_zero)]
 *   f = activation(f) [+ post_bias[k]];  code = limit(nearest(f) + zero, 0, top)
 *
 * T: the sum of all codes under the window, their zero taken off. Arrays are NULL where the layer
 * has none. how: what is known of all |f|, which spares tests: below 2^22 and the activation is
 * what the limits do anyway (PLAIN), or a leaky one with a post_bias (BOUNDED_LEAKY); or 0. */
typedef struct sbc_ending {
    const float *scale, *bias, *offset, *slope, *post_bias;
    float residual_scale, low, high;
    uint8_t residual_zero, activation, zero, top, how;
} sbc_ending;

/* What a layer with weights needs besides its images: see the memory of the network. */
typedef struct sbc_scratch {
    uint32_t *sums;
    float *totals;
    uint16_t *places, *offsets, **ends;
} sbc_scratch;

enum { SBC_ONE_SIGN, SBC_TWO_SIGNS, SBC_TERNARY };

/* Weights of one bit. Filters go together in `parts`, as even as can be, six masks at most; of
 * every input `ranks` holds a number with a bit for each of them, as many in a word as fit, a new
 * word for every chunk of channels: bit f of rank ^ rank / 2 says whether filter f adds the input;
 * `counts` says how many inputs of a chunk have each rank from 1 up. A[k] = S + shift[k], S the sum
 * of the codes that a mask names; of two signs 2 S - T + shift[k]; ternary filters have two masks,
 * what they add and what they take off: S - S' + shift[k]. */
typedef struct sbc_low_bit {
    const sbc_image *input, *output;
    sbc_window window;
    uint16_t groups, chunk, parts;
    uint8_t kind;
    const uint32_t *ranks;
    const uint8_t *counts;
    const int32_t *shift;
    sbc_ending ending;
} sbc_low_bit;

/* Weights of a byte: A[k] = sum of weight * code + shift[k]. pairs: of two filters of a group at a
 * time and two taps, in the bytes of a word a0 b0 a1 b1; or NULL, then weights: filter by filter,
 * of groups of one filter. */
typedef struct sbc_dense {
    const sbc_image *input, *output;
    sbc_window window;
    uint16_t groups;
    const uint32_t *pairs;
    const int8_t *weights;
    const int32_t *shift;
    sbc_ending ending;
} sbc_dense;

/* Of rows of codes, byte by byte. ranks as above, in one chunk, or weights. */
typedef struct sbc_linear {
    uint16_t inputs, outputs, parts;
    uint8_t kind, input_zero;
    const uint32_t *ranks;
    const int8_t *weights;
    const int32_t *shift;
    sbc_ending ending;
} sbc_linear;

/* low_bit.c, dense.c, linear.c. A residual lies as the output does, and may lie in its place. */
void sbc_low_bit_conv2d(const sbc_low_bit *layer, const uint32_t *input, const uint32_t *residual,
                        uint32_t *output, const sbc_scratch *scratch);
void sbc_dense_conv2d(const sbc_dense *layer, const uint32_t *input, const uint32_t *residual,
                      uint32_t *output, const sbc_scratch *scratch);
/* Codes, or numbers where `codes` is NULL. */
void sbc_low_bit_linear(const sbc_linear *layer, const uint8_t *input, uint8_t *codes,
                        float *numbers);
void sbc_dense_linear(const sbc_linear *layer, const uint8_t *input, uint8_t *codes,
                      float *numbers);

/* pooling.c. Averages end in codes, or in numbers where `codes` is NULL. */
void sbc_max_pool2d(const sbc_image *from, const sbc_image *to, const sbc_window *window,
                    const uint32_t *input, uint32_t *output);
void sbc_avg_pool2d(const sbc_image *from, const sbc_image *to, const sbc_window *window,
                    int whole_windows, const sbc_ending *ending, const uint32_t *input,
                    uint32_t *output);
void sbc_global_average(const sbc_image *from, const sbc_ending *ending, const uint32_t *input,
                        uint8_t *codes, float *numbers);

/* pointwise.c. All lie alike, and the output may lie in place of an operand; second may be NULL. */
void sbc_pointwise(const sbc_image *from, const sbc_image *to, const sbc_ending *ending,
                   const uint32_t *input, const uint32_t *second, uint32_t *output);
void sbc_look_up(const sbc_image *to, const uint8_t *table, const uint32_t *input,
                 uint32_t *output);

/* moving.c. Channels [first, ...) of the target get those of the source, `step` apart. */
void sbc_quantize(const sbc_image *to, float inverse_scale, uint8_t top, const float *input,
                  uint32_t *output);
void sbc_quantize_row(uint32_t count, float inverse_scale, uint8_t zero, uint8_t top,
                      const float *input, uint8_t *output);
void sbc_flatten(const sbc_image *from, const uint32_t *input, uint8_t *output);
void sbc_dequantize(const sbc_image *from, float scale, const uint32_t *input, float *output);
void sbc_dequantize_row(uint32_t count, float scale, uint8_t zero, const uint8_t *input,
                        float *output);
void sbc_subsample(const sbc_image *from, const sbc_image *to, uint32_t stride_y, uint32_t stride_x,
                   uint32_t before, const uint32_t *input, uint32_t *output);
void sbc_copy_channels(const sbc_image *from, const sbc_image *to, uint32_t source, uint32_t target,
                       uint32_t count, uint32_t step, const uint32_t *input, uint32_t *output);
/* Words from a window's first to each of its inputs, channel by channel. */
void sbc_list_places(const sbc_image *image, const sbc_window *window, uint32_t channels,
                     uint16_t *places);
/* Borders, and what lies beyond the width: every kernel above ends with it. */
void sbc_fill_border(const sbc_image *image, uint32_t *values);

/* softmax.c */
void sbc_softmax(uint32_t count, float *numbers);

#ifdef __cplusplus
}
#endif
#endif
