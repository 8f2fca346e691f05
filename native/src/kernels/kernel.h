/* What every kernel sees: an immutable layer and the operands of one call. C99, no allocation. */
#ifndef SB_KERNELS_KERNEL_H
#define SB_KERNELS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Enumerators equal sb_activation's. */
typedef enum sb_act { SB_ACT_NONE = 0, SB_ACT_RELU, SB_ACT_LEAKY_RELU, SB_ACT_CLAMP } sb_act;

/* C,H,W -> K,P,Q with a window of R,S (linear: H = W = R = S = P = Q = 1). */
typedef struct sb_geometry {
    int32_t in_channels, in_height, in_width;
    int32_t out_channels, out_height, out_width;
    int32_t kernel_height, kernel_width;
    int32_t stride_height, stride_width;
    int32_t padding_height, padding_width;
    int32_t dilation_height, dilation_width;
    int32_t groups;
} sb_geometry;

/* y = act(scale[k] * acc + offset[k] * total + bias[k] [+ residual]) + post_bias[k].
 * total: sum of the window's inputs. scale and bias are always there, slope whenever the
 * activation needs one; other NULL arrays are absent. */
typedef struct sb_epilogue {
    const float *scale, *offset, *bias, *slope, *post_bias;
    sb_act activation;
    float low, high;
} sb_epilogue;

/* Where the pixels of one image lie. lanes 0: plain [C][H][W]. Otherwise lane-blocked: the image is
 * cut into blocks_y x blocks_x = lanes blocks of block_height x block_width pixels, lane l holding
 * block l, in an array [top + block_height + bottom][left + block_width + right][pitch][lanes] with
 * channel c of a pixel at [..][c]. Rows and columns around the block (its halo) repeat the pixels
 * of the neighbouring blocks; every position outside the image holds `fill`. pitch >= C: a few
 * unused vectors keep the pixels of a window out of one another's cache sets. */
typedef struct sb_view {
    int32_t lanes, blocks_y, blocks_x, block_height, block_width;
    int32_t top, bottom, left, right;
    int32_t pitch;
    float fill;
} sb_view;

/* Buckets of one chunk of one group of at most 8 filters. radix 2: counts[0 .. 2^filters) in
 * Gray-code order; radix 3: (3^filters - 1) / 2 pairs of counts, add then subtract. */
typedef struct sb_bucket_group {
    int32_t first_filter, filters; /* first_filter counts within the convolution group */
    size_t counts_begin, offsets_begin;
} sb_bucket_group;

enum { SB_TERNARY_FILTERS = 4, SB_TERNARY_BUCKETS = 40 };

/* offsets: vectors from the window's first one to the input, in bucket order. */
typedef struct sb_bucket_weights {
    const sb_bucket_group *groups; /* [conv group][chunk][walk_groups] */
    const uint16_t *counts, *offsets;
    int32_t walk_groups;
    int32_t radix;              /* 2 or 3 */
    int32_t chunk, chunk_count; /* channels per chunk (the last may be shorter), chunks */
    /* radix 3: which digit changes after step i of a walk over f+1 filters, | 0x80 if upwards */
    uint8_t flips[SB_TERNARY_FILTERS][SB_TERNARY_BUCKETS];
} sb_bucket_weights;

/* input, residual, output: the views the kernel reads and writes; the residual has the output's
 * blocks. */
typedef struct sb_layer {
    sb_geometry geometry;
    sb_view input, residual, output;
    sb_epilogue epilogue;
    const float *weights; /* dense, in the order the kernel's family packs them */
    sb_bucket_weights buckets;
    bool count_include_pad;  /* avg_pool2d */
    bool whole_image;        /* avg_pool2d: one window, without padding; the output is plain */
    int32_t channels_before; /* subsample_pad */
} sb_layer;

/* One image, or for linear layers the whole batch. totals: sum over the channels of each
 * convolution group for every pixel of the input view, [group][row][column][lane]. residual:
 * or NULL. scratch: this share's own. Every share runs the kernel at the same time; a kernel does
 * its part of the work and gives the same bits whatever the number of shares. */
typedef struct sb_operands {
    const float *input, *residual, *totals;
    float *output, *scratch;
    size_t batch;
    size_t share, shares;
} sb_operands;

/* The share's part [begin, end) of `count` pieces of work. */
static inline void sb_take_share(const sb_operands *operands, size_t count, size_t *begin,
                                 size_t *end) {
    *begin = count / operands->shares * operands->share +
             count % operands->shares * operands->share / operands->shares;
    *end = count / operands->shares * (operands->share + 1) +
           count % operands->shares * (operands->share + 1) / operands->shares;
}

typedef void (*sb_kernel_function)(const sb_layer *layer, const sb_operands *operands);

#define SB_KERNEL_SYMBOL(act, strategy, op, tile, isa)                                             \
    sb_##act##_##strategy##_##op##_##tile##__##isa
#define SB_KERNEL(act, strategy, op, tile, isa, filters, vectors, lanes)                           \
    void SB_KERNEL_SYMBOL(act, strategy, op, tile, isa)(const sb_layer *layer,                     \
                                                        const sb_operands *operands);
#include "../kernels.def"
#undef SB_KERNEL

#endif
