/* Logical weights into what the kernels read, at load. */
#ifndef SB_PACK_H
#define SB_PACK_H

#include "kernels/dense/dense_weights.h"
#include "kernels/dense/product_format.h"
#include "kernels/view.h"
#include "memory.h"
#include "signbin.h"

/* Vectors from a window's first input to that of tap (r, s); nothing for a linear layer. */
static inline int64_t sb_tap_vectors(const sb_geometry *geometry, const sb_view *input, int32_t r,
                                     int32_t s) {
    const int64_t columns = input->lanes ? sb_view_columns(input) : 0;
    return ((int64_t)r * geometry->dilation_height * columns +
            (int64_t)s * geometry->dilation_width) *
           input->pitch;
}

/* The most channels per chunk, up to `chunk`, whose offsets and counts fit 16 bits; 0: none. */
int32_t sb_pack_chunk(const sb_geometry *geometry, const sb_view *input, int32_t chunk);

/* Non-zero codes of a filter whose sum of input codes up to `top` fits 16 bits. */
static inline int32_t sb_pack_bound(int32_t top) {
    return UINT16_MAX / top;
}

/* What codes mean for a walk: per filter k, w . x = factor[k] * sum + shift[k] * T, with T the sum
 * of the window and
 *   one sign:    sum over non-zero codes, factor = +-scale,  shift = offset
 *   -1 and +1:   sum over +1,             factor = 2 scale,  shift = offset - scale  (2 S+ - T)
 *   radix 3:     signed sum,              factor = scale,    shift = offset */
typedef struct sb_code_spec {
    const int8_t *codes; /* [K][taps] */
    const float *scale, *offset;
    size_t taps;
    int32_t filters; /* K */
} sb_code_spec;

/* 3 if a filter mixes -1, 0 and +1, else 2. */
int32_t sb_pack_radix(const sb_code_spec *spec);

/* digits[i]: what a walk sees of codes[i]: 0, +1, or -1 (radix 3 only). */
void sb_pack_digits(const sb_code_spec *spec, int32_t radix, int8_t *digits);

/* factor[k] and shift[k] of float32 layers. */
void sb_pack_factors(const sb_code_spec *spec, int32_t radix, float *factor, float *shift);

/* sb_integer_sums of layers on codes, but for what walks lift; K each. zero: of the input. Returns
 * whether any filter is binary. */
bool sb_pack_sums(const sb_code_spec *spec, int32_t radix, int32_t zero, int32_t *flip,
                  int32_t *twice, int32_t *shift);

/* digits [K][C/G][R][S] into buckets of at most `filters` filters, for the layer's input view.
 * chunk has passed sb_pack_chunk. bound: the most non-zero digits of a filter that one walk may
 * sum; where a chunk has more, the walk is split for the filters it concerns. top: of the input's
 * codes, for `lift`; 0 for float32. zeros: pattern 0 is walked, too. order: NULL, or as sb_order, a
 * row for every order_chunk channels. SB_OUT_OF_MEMORY leaves *weights untouched. */
typedef struct sb_pack_spec {
    int32_t filters, radix, chunk, bound, top;
    bool zeros;
    const int32_t *order;
    int32_t order_chunk;
} sb_pack_spec;

sb_status sb_pack_buckets(const sb_layer *layer, const int8_t *digits, const sb_pack_spec *spec,
                          sb_memory *memory, sb_bucket_weights *weights);

/* shift[k] -= what all walks lift the sum of filter k. */
void sb_pack_lower(const sb_geometry *geometry, const sb_bucket_weights *weights, int32_t *shift);

/* The layer's weights, [K][C/G][R][S], as the cut wants them: see dense_weights.h. */
float *sb_pack_dense(const sb_layer *layer, const sb_dense_cut *cut, sb_memory *memory);

/* [K][C/G][R][S] into dense_codes.h's [K][R][S][C/G]. */
int8_t *sb_pack_integers(const sb_geometry *geometry, const int8_t *weights, sb_memory *memory);

/* What packed products look like to an instruction set. lanes: filters of a vector. wide: int16_t
 * [4][filter], else bytes [filter][4]. pairs: whether steps may come two by two. */
typedef struct sb_product_format {
    int32_t lanes;
    bool wide, pairs;
} sb_product_format;

/* weights [K][C/G][R][S] in -63..63; filters: of a block, a multiple of the lanes; top: of the
 * input's codes. */
typedef struct sb_product_spec {
    sb_product_format format;
    const int8_t *weights;
    int32_t filters, top;
} sb_product_spec;

/* Steps and weights for products.h; the layer's input is an image of bytes, or for a linear layer
 * one pixel. SB_OUT_OF_MEMORY leaves *weights untouched. */
sb_status sb_pack_products(const sb_layer *layer, const sb_product_spec *spec, sb_memory *memory,
                           sb_product_weights *weights);

/* [K][1][R][S] into depthwise_codes.h's [K][R * S, rounded up to even]. */
int8_t *sb_pack_depthwise(const sb_geometry *geometry, const int8_t *weights, sb_memory *memory);

/* digits [K][C] into table_linear.h's bits; signs: 2 where digits are of radix 3, else 1. NULL
 * where there is no memory. */
uint8_t *sb_pack_tables(const sb_geometry *geometry, const int8_t *digits, int32_t signs,
                        sb_memory *memory);

#endif
