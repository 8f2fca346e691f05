/* The bucket walk ("dual four-Russians" in Gray-code order) over V vectors of output pixels.
 *
 * F filters look at the same inputs. Every input has an F-bit pattern: bit f says whether filter f
 * uses it. Inputs of one pattern share a bucket; pattern 0 has none (that is sparsity). Walk the
 * buckets in Gray-code order with ONE running sum S that is never reset. Between two neighbouring
 * buckets exactly one bit b flips, and there y[b] = S - y[b]. Example, F = 2, with the inputs
 * A of pattern 01, B of 11, C of 10 (bit 1 left, bit 0 right):
 *
 *   bucket | S after it | next pattern, bit that flips | y1           | y0
 *   -------|------------|------------------------------|--------------|----------------
 *   00     | 0          | 01: bit 0                    | 0            | 0 - 0 = 0
 *   01     | A          | 11: bit 1                    | A - 0 = A    | 0
 *   11     | A+B        | 10: bit 0                    | A            | A+B - 0 = A+B
 *   10     | A+B+C      | 00: bit 1 (cyclic)           | A+B+C-A= B+C | A+B
 *
 * A bit that is set from time t1 to t2 has collected S(t2) - S(t1): y0 = A+B and y1 = B+C.
 * Cost: one load-add per input with a non-zero pattern, plus 2^F subtractions. S starts at zero
 * for every walk, so that an outlier touches the filters of its own group only.
 *
 * Codes are summed modulo 2^16: S may wrap, for only differences of it count, and
 * the packer sees to it that every y fits.
 *
 * Ternary weights: digits -1, 0, +1 in a reflected base-3 Gray code. A pattern and its negation
 * share a bucket with an add list and a subtract list, so half the code suffices. With
 * y[f] = sum_i digit_f(i) * (S(i) - S(i-1)) summed by parts, a digit that steps up at the end of
 * bucket i subtracts S(i), one that steps down adds it, and the last bucket has all digits +1.
 *
 * Define SB_LANES, SB_FILTERS (the most filters of a group) and SB_VECTORS before including.
 */
#ifndef SB_KERNELS_BUCKET_WALK_H
#define SB_KERNELS_BUCKET_WALK_H

#include "../kernel.h"
#include "../lane/lane_vector.h"
#include "../tally.h"

/* Bytes of a tile's sums that with those of three bits fill all registers. */
#ifdef SB_NEON_CODES
enum { SB_SPILLING_BYTES = 128 };
#else
enum { SB_SPILLING_BYTES = 1 << 16 };
#endif

/* What a walk reads next, and its running sum. */
typedef struct sb_walk {
    const sb_element *windows[SB_VECTORS]; /* first vectors */
    const uint16_t *counts, *offsets;
    sb_vector sum[SB_VECTORS];
} sb_walk;

SB_INLINE void sb_walk_add(sb_walk *walk) {
    for (uint32_t left = *walk->counts++; left; --left) {
        const size_t offset = (size_t)*walk->offsets++ * SB_LANES;
        SB_TALLY(1);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            walk->sum[v] = SB_ADD_FROM(walk->sum[v], walk->windows[v] + offset);
    }
}

SB_INLINE void sb_walk_subtract(sb_walk *walk) {
    for (uint32_t left = *walk->counts++; left; --left) {
        const size_t offset = (size_t)*walk->offsets++ * SB_LANES;
        SB_TALLY(1);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            walk->sum[v] = SB_SUBTRACT_FROM(walk->sum[v], walk->windows[v] + offset);
    }
}

/* y = S - y, where the bit of a filter flips. */
SB_INLINE void sb_walk_flip(const sb_walk *walk, sb_vector *y) {
    SB_TALLY(1);
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        y[v] = SB_SUBTRACT(walk->sum[v], y[v]);
}

static inline int sb_trailing_zeros(uint32_t value) {
#if defined(__GNUC__)
    return __builtin_ctz(value);
#else
    int zeros = 0;
    for (; !(value & 1u); value >>= 1)
        ++zeros;
    return zeros;
#endif
}

/* Any F: the loop the table above describes. */
SB_INLINE void sb_walk_few(sb_walk *walk, int32_t filters, sb_vector (*y)[SB_VECTORS]) {
    const uint32_t buckets = 1u << filters;
    for (uint32_t bucket = 1; bucket < buckets; ++bucket) {
        sb_walk_flip(walk, y[sb_trailing_zeros(bucket)]);
        sb_walk_add(walk);
    }
    sb_walk_flip(walk, y[filters - 1]);
}

/* Whether the third bit stays in registers, too: a compiler short of them spills sums. */
enum { SB_KEEPS_THIRD = SB_VECTORS * sizeof(sb_vector) < SB_SPILLING_BYTES };

/* F >= 4: eight buckets in a straight line, whose lowest bits stay in registers. */
SB_INLINE void sb_walk_many(sb_walk *walk, int32_t filters, sb_vector (*y)[SB_VECTORS]) {
    const uint32_t blocks = 1u << (filters - 3);
    sb_vector y0[SB_VECTORS], y1[SB_VECTORS], kept[SB_VECTORS];
    sb_vector *const y2 = SB_KEEPS_THIRD ? kept : y[2];
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        y0[v] = y1[v] = y2[v] = SB_BROADCAST(0);
    for (uint32_t block = 0; block < blocks; ++block) {
        if (block) {
            sb_walk_flip(walk, y[3 + sb_trailing_zeros(block)]);
            sb_walk_add(walk);
        }
        sb_walk_flip(walk, y0);
        sb_walk_add(walk);
        sb_walk_flip(walk, y1);
        sb_walk_add(walk);
        sb_walk_flip(walk, y0);
        sb_walk_add(walk);
        sb_walk_flip(walk, y2);
        sb_walk_add(walk);
        sb_walk_flip(walk, y0);
        sb_walk_add(walk);
        sb_walk_flip(walk, y1);
        sb_walk_add(walk);
        sb_walk_flip(walk, y0);
        sb_walk_add(walk);
    }
    sb_walk_flip(walk, y[filters - 1]);
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v) {
        y[0][v] = y0[v];
        y[1][v] = y1[v];
        if (SB_KEEPS_THIRD)
            y[2][v] = y2[v];
    }
}

SB_INLINE void sb_walk_ternary(sb_walk *walk, int32_t filters, const uint8_t *flips,
                               sb_vector (*y)[SB_VECTORS]) {
    int32_t buckets = 1;
    for (int32_t f = 0; f < filters; ++f)
        buckets *= 3;
    buckets /= 2;
    for (int32_t bucket = 0; bucket < buckets; ++bucket) {
        sb_walk_add(walk);
        sb_walk_subtract(walk);
        if (bucket + 1 == buckets)
            break;
        sb_vector *changed = y[flips[bucket] & 0x7f];
        SB_TALLY(1);
        if (flips[bucket] & 0x80)
            for (int v = 0; v < SB_VECTORS; ++v)
                changed[v] = SB_SUBTRACT(changed[v], walk->sum[v]);
        else
            for (int v = 0; v < SB_VECTORS; ++v)
                changed[v] = SB_ADD(changed[v], walk->sum[v]);
    }
    SB_TALLY((uint32_t)filters);
    for (int32_t f = 0; f < filters; ++f)
        for (int v = 0; v < SB_VECTORS; ++v)
            y[f][v] = SB_ADD(y[f][v], walk->sum[v]);
}

/* Inputs of pattern 0, where they are walked at all: they enter S before any bit flips and cancel.
 * In base 3 the boundary behind them is one more: digit 0 steps up from 0 in the middle of a code
 * of an odd number of digits, and down in that of an even one. */
SB_INLINE void sb_walk_zeros(const sb_bucket_weights *weights, int32_t filters, sb_walk *walk,
                             sb_vector (*y)[SB_VECTORS]) {
    sb_walk_add(walk);
    SB_TALLY(weights->radix == 3);
    for (int v = 0; v < SB_VECTORS && weights->radix == 3; ++v)
        y[0][v] = filters % 2 ? SB_SUBTRACT(y[0][v], walk->sum[v]) : SB_ADD(y[0][v], walk->sum[v]);
}

/* y[f] = the sums of a group of filters over one chunk; of codes modulo 2^16. windows: first
 * vectors of the chunk. This is the whole seam between a layer and its walks: whatever gives the
 * same y from (weights, group, windows) may take its place. */
SB_INLINE void sb_walk_group(const sb_bucket_weights *weights, const sb_bucket_group *group,
                             const sb_element *const *windows, sb_vector (*y)[SB_VECTORS]) {
    sb_walk walk;
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        walk.windows[v] = windows[v];
    walk.counts = weights->counts + group->counts_begin;
    walk.offsets = weights->offsets + group->offsets_begin;
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        walk.sum[v] = SB_BROADCAST(0);
    for (int32_t f = 0; f < group->filters; ++f)
        for (int v = 0; v < SB_VECTORS; ++v)
            y[f][v] = SB_BROADCAST(0);
    if (weights->zeros)
        sb_walk_zeros(weights, group->filters, &walk, y);
    if (weights->radix == 3)
        sb_walk_ternary(&walk, group->filters, weights->flips[group->filters - 1], y);
    else if (SB_FILTERS >= 4 && group->filters >= 4)
        sb_walk_many(&walk, group->filters, y);
    else
        sb_walk_few(&walk, group->filters, y);
}

#endif
