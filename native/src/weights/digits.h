/* The digits that walks and sums see of weight codes, and what they mean. */
#ifndef SB_DIGITS_H
#define SB_DIGITS_H

#include "signbin.h"

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

/* Filter k alone. */
sb_code_spec sb_filter_of(const sb_code_spec *codes, int32_t k);

/* Of a single filter: 3 where its digits are its codes (sb_sum_list), else 2. */
int32_t sb_radix_of(const sb_code_spec *filter, sb_walk_mode mode);

/* Non-zero codes of a filter whose sum of input codes up to `top` fits 16 bits. */
static inline int32_t sb_pack_bound(int32_t top) {
    return UINT16_MAX / top;
}

#endif
