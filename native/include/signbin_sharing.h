/* signbin: sums of inputs that share partial sums.
 *
 * Given which of some inputs each of T targets adds (or subtracts), find a straight-line program of
 * sums that computes all targets with few additions:
 *   1. leaves: inputs that the very same targets use are summed first (optional)
 *   2. pairs:  again and again, the two nodes that most targets use together become one node; a
 *              pair shared by m targets saves m - 1 additions, so this ends where m < 2
 *   3. what is left of every target is summed
 * Steps 1 to 3 are SumMerge's (Prabhakar et al., ICS 2021); without step 1, over signed pairs, they
 * are the classical greedy elimination of common subexpressions.
 */
#ifndef SIGNBIN_SHARING_H
#define SIGNBIN_SHARING_H

#include <signbin.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SB_MAX_SHARED = 1 << 20 }; /* inputs, targets and nodes of one call */

/* plus, minus: [inputs][(targets + 63) / 64], bit t % 64 of word t / 64: target t adds (subtracts)
 * the input; never both. minus may be NULL. With minus, a pair may be a difference, and a target
 * may use a node with either sign. budget: most pair nodes, at least 0. */
typedef struct sb_sharing_spec {
    int32_t inputs, targets;
    const uint64_t *plus, *minus;
    bool leaves;
    int32_t budget;
} sb_sharing_spec;

/* Nodes in an order in which every node follows those it uses: temporaries, then the targets.
 * Node n sums operands[starts[n] .. starts[n + 1]); an operand is 2 * index + minus, where indices
 * below `inputs` are inputs and the others are inputs + node. Owned by the library. */
typedef struct sb_sharing {
    size_t nodes, temporaries;
    const int32_t *starts, *operands;
} sb_sharing;

SB_API sb_status sb_sharing_create(const sb_sharing_spec *spec, sb_sharing **sharing);
SB_API void sb_sharing_free(sb_sharing *sharing);

/* Rows of bits: [count][words]. */
typedef struct sb_rows {
    int32_t count, words;
    const uint64_t *bits;
} sb_rows;

/* counts[i * others->count + j]: bits that row i of some and row j of others have in common. At
 * most SB_MAX_SHARED rows, and as many words in both. */
SB_API sb_status sb_common_counts(const sb_rows *some, const sb_rows *others, int32_t *counts);

#ifdef __cplusplus
}
#endif

#endif
