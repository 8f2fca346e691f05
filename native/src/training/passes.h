/* The passes of normalisation over rows of elements, one set of functions per type and ISA.
 *
 * A row is whole pixels and whole blocks of elements: its places then always hold the same
 * channels, and what belongs to a channel is repeated along a row. */
#ifndef SB_PASSES_H
#define SB_PASSES_H

#include <stdbool.h>
#include <stddef.h>

/* elements: of an array; lanes: of a row; rows: begun ones, the last may be cut short. first,
 * scale, shift, slope: [lanes] floats (see the passes), and sums, in the order of sb_lane_of. in:
 * up to three arrays that are read; in[1] of normalize may be NULL. out: up to two that are
 * written; out[1] may be NULL. */
typedef struct sb_pass {
    size_t elements, lanes, rows;
    const float *first, *scale, *shift, *slope;
    const void *in[3];
    void *out[2];
    bool rectify;
} sb_pass;

/* Rows [begin, end). sums: [2][lanes] doubles, which are added to. */
typedef void (*sb_pass_function)(const sb_pass *pass, size_t begin, size_t end, double *sums);

/* block: elements that are taken together. woven: even ones lie in its first half, odd ones in the
 * second.
 * statistics: sums of d and d * d, d = in[0] - first.
 * normalize:  out[0] = rectify(in[0] * scale + shift [+ in[1]]).
 * gradients:  sums of g and g * (in[1] - first), g = in[0] where in[2] passed the rectifier.
 * backward:   out[0] = g * scale + in[1] * slope + shift; out[1] = g. */
typedef struct sb_passes {
    size_t block;
    bool woven;
    sb_pass_function statistics, normalize, gradients, backward;
} sb_passes;

/* Which element of its row a lane belongs to. */
static inline size_t sb_lane_of(const sb_passes *passes, size_t lane) {
    const size_t half = passes->block / 2, place = lane % passes->block;
    return !passes->woven ? lane : lane - place + 2 * (place % half) + place / half;
}

#endif
