/* Logical weights into what the kernels read, at load. */
#ifndef SB_PACK_H
#define SB_PACK_H

#include "kernels/kernel.h"
#include "memory.h"
#include "signbin.h"

/* The most channels per chunk, up to `chunk`, whose offsets and counts fit 16 bits; 0: none. */
int32_t sb_pack_chunk(const sb_geometry *geometry, const sb_view *input, int32_t chunk);

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
void sb_pack_digits(const sb_code_spec *spec, int32_t radix, int8_t *digits, float *factor,
                    float *shift);

/* digits [K][C/G][R][S] into buckets of at most `filters` filters, for the layer's input view.
 * chunk has passed sb_pack_chunk. SB_OVERFLOW or SB_OUT_OF_MEMORY leave *weights untouched. */
typedef struct sb_pack_spec {
    int32_t filters, radix, chunk;
} sb_pack_spec;

sb_status sb_pack_buckets(const sb_layer *layer, const int8_t *digits, const sb_pack_spec *spec,
                          sb_memory *memory, sb_bucket_weights *weights);

/* [K][C/G][R][S] into dense_layer.h's [conv group][filter group][r][s][c][filters]. */
float *sb_pack_dense(const sb_geometry *geometry, int32_t filters, const float *weights,
                     sb_memory *memory);

#endif
