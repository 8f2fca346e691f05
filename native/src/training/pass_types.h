/* Elements by the block, 2 * SB_LANES of them, as two vectors of floats.
 *
 * bfloat16 is the upper half of a float, so a word of two of them is taken apart by a shift and a
 * mask, and nothing moves between lanes: of 8 elements and 4 lanes
 *
 *     memory   a b c d e f g h
 *     words    ba  dc  fe  hg     (little endian: b is the upper half)
 *     even     a0  c0  e0  g0     words << 16
 *     odd      b0  d0  f0  h0     words & 0xffff0000
 *
 * So lane 1 of the even vector is element 2. sb_lane_of says the same to those who lay out what
 * belongs to channels. On the way back the lower half is rounded to nearest, ties to even, and NaN
 * stays NaN. */
#ifndef SB_PASS_TYPES_H
#define SB_PASS_TYPES_H

#include "training/passes.h"

#include <stdint.h>
#include <string.h>

typedef float floats __attribute__((vector_size(4 * SB_LANES)));
typedef uint32_t words __attribute__((vector_size(4 * SB_LANES)));
typedef int32_t truths __attribute__((vector_size(4 * SB_LANES)));

/* Flags and places are constants only where they are inlined. */
#define INLINED inline __attribute__((always_inline))

enum { BLOCK = 2 * SB_LANES };

typedef struct pair {
    floats even, odd;
} pair;

static INLINED pair load_floats(const float *from) {
    pair loaded;
    memcpy(&loaded, from, sizeof loaded);
    return loaded;
}

static INLINED void store_floats(float *to, pair from) {
    memcpy(to, &from, sizeof from);
}

static INLINED pair load_bfloats(const uint16_t *from) {
    words both;
    memcpy(&both, from, sizeof both);
    return (pair){(floats)(both << 16), (floats)(both & 0xffff0000)};
}

/* The bits of a float whose upper half is the bfloat16. */
static INLINED words rounded(floats x) {
    const words bits = (words)x, number = (words)(x == x);
    return ((bits + 0x7fff + (bits >> 16 & 1)) & number) | (~number & 0x7fc00000);
}

static INLINED void store_bfloats(uint16_t *to, pair from) {
    const words both = rounded(from.even) >> 16 | (rounded(from.odd) & 0xffff0000);
    memcpy(to, &both, sizeof both);
}

/* x where the mask's bits are set, else 0. */
static INLINED floats keep(floats x, truths mask) {
    return (floats)((truths)x & mask);
}

/* Of two quantities, in registers, and brought to where [2][lanes] doubles are. */
typedef struct sums {
    pair plain, products;
} sums;

static INLINED void add_sums(sums *to, const sums *from) {
    to->plain.even += from->plain.even;
    to->plain.odd += from->plain.odd;
    to->products.even += from->products.even;
    to->products.odd += from->products.odd;
}

/* Only the first elements of a block count: what lies beyond the end of an array sums to nothing.
 */
static INLINED void cut_sums(sums *of, size_t count, bool woven) {
    for (size_t i = 0; i < SB_LANES; ++i) {
        if ((woven ? 2 * i : i) >= count)
            of->plain.even[i] = of->products.even[i] = 0;
        if ((woven ? 2 * i + 1 : SB_LANES + i) >= count)
            of->plain.odd[i] = of->products.odd[i] = 0;
    }
}

static INLINED void bring_sums(const sums *from, size_t lane, size_t lanes, double *totals) {
    double *plain = totals + lane, *products = totals + lanes + lane;
    for (size_t i = 0; i < SB_LANES; ++i) {
        plain[i] += (double)from->plain.even[i];
        plain[SB_LANES + i] += (double)from->plain.odd[i];
        products[i] += (double)from->products.even[i];
        products[SB_LANES + i] += (double)from->products.odd[i];
    }
}

#endif
