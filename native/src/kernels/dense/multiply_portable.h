/* Products in plain C on vectors of 8 filters. Two products of a code of at most 255 and an
 * integer of at most 63 fit 16 bits; they widen after every two. Weights: int16, [4][8]. */
#ifndef SB_KERNELS_MULTIPLY_PORTABLE_H
#define SB_KERNELS_MULTIPLY_PORTABLE_H

#include "../lane/lane_vector.h"
#include "product_format.h"

#define SB_SUM_LANES SB_SUM_LANES_PORTABLE
enum { SB_WEIGHT_BYTES = 64, SB_CHUNK_STEPS = 256 };

typedef sb_sums sb_filter_sums;
typedef struct sb_filter_weights {
    sb_vector byte[4];
} sb_filter_weights;

SB_INLINE sb_filter_sums sb_no_filter_sums(void) {
    return sb_same_sums(0);
}

SB_INLINE sb_filter_sums sb_load_filter_sums(const int32_t *address) {
    return sb_load_sums(address);
}

SB_INLINE void sb_store_filter_sums(int32_t *address, sb_filter_sums sums) {
    sb_store_sums(address, sums);
}

SB_INLINE sb_filter_weights sb_load_filter_weights(const int8_t *address) {
    sb_filter_weights weights;
    for (int i = 0; i < 4; ++i)
        weights.byte[i] = SB_LOAD_LANES((const sb_lane *)(const void *)address + i * SB_LANES);
    return weights;
}

SB_INLINE void sb_multiply_step(int vectors, const uint8_t *bytes, const sb_filter_weights *weights,
                                sb_filter_sums *sums) {
    for (int v = 0; v < vectors; ++v) {
        SB_UNROLL
        for (int i = 0; i < 4; i += 2)
            sums[v] = sb_add_sums(
                sums[v], sb_widen_signed(SB_ADD(
                             SB_MULTIPLY(weights[v].byte[i], SB_BROADCAST(bytes[i])),
                             SB_MULTIPLY(weights[v].byte[i + 1], SB_BROADCAST(bytes[i + 1])))));
    }
}

SB_INLINE void sb_multiply_pair(int vectors, const uint8_t *first, const uint8_t *second,
                                const sb_filter_weights *weights, sb_filter_sums *sums) {
    sb_multiply_step(vectors, first, weights, sums);
    sb_multiply_step(vectors, second, weights + vectors, sums);
}

/* Where the sum of a filter lies in a vector of sums: even ones first, as in lane_codes.h. */
SB_INLINE size_t sb_filter_position(size_t filter) {
    return SB_PARTS == 1 ? filter : filter % SB_PARTS * SB_PART_LANES + filter / SB_PARTS;
}

#endif
