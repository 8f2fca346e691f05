/* The vectors of an instruction set in plain C, for compilers that lack it: the same packed weights
 * and the same sums. SB_SUM_LANES, SB_PIECE and SB_STEP_BYTES are set. */
#ifndef SB_KERNELS_MULTIPLY_PLAIN_H
#define SB_KERNELS_MULTIPLY_PLAIN_H

enum { SB_WEIGHT_BYTES = SB_SUM_LANES * SB_STEP_BYTES };

typedef struct sb_filter_sums {
    int32_t lane[SB_SUM_LANES];
} sb_filter_sums;
typedef struct sb_filter_weights {
    int8_t byte[SB_WEIGHT_BYTES];
} sb_filter_weights;

SB_INLINE sb_filter_sums sb_no_filter_sums(void) {
    const sb_filter_sums sums = {{0}};
    return sums;
}

SB_INLINE sb_filter_sums sb_load_filter_sums(const int32_t *address) {
    sb_filter_sums sums;
    memcpy(&sums, address, sizeof sums);
    return sums;
}

SB_INLINE void sb_store_filter_sums(int32_t *address, sb_filter_sums sums) {
    memcpy(address, &sums, sizeof sums);
}

SB_INLINE sb_filter_weights sb_load_filter_weights(const int8_t *address) {
    sb_filter_weights weights;
    memcpy(&weights, address, sizeof weights);
    return weights;
}

/* The number in a byte of a window. */
SB_INLINE int32_t sb_number_of_byte(uint8_t byte) {
#ifdef SB_CENTRED_BYTES
    return (int8_t)byte;
#else
    return byte;
#endif
}

SB_INLINE void sb_multiply_step(int vectors, const uint8_t *bytes, const sb_filter_weights *weights,
                                sb_filter_sums *sums) {
    for (int v = 0; v < vectors; ++v)
        for (int i = 0; i < SB_WEIGHT_BYTES; ++i) {
            const int byte = i / (SB_PIECE * SB_SUM_LANES) * SB_PIECE + i % SB_PIECE;
            const int32_t product = weights[v].byte[i] * sb_number_of_byte(bytes[byte]);
            int32_t *sum = &sums[v].lane[i / SB_PIECE % SB_SUM_LANES];
            *sum = (int32_t)((uint32_t)*sum + (uint32_t)product);
        }
}

SB_INLINE void sb_multiply_pair(int vectors, const uint8_t *first, const uint8_t *second,
                                const sb_filter_weights *weights, sb_filter_sums *sums) {
    sb_multiply_step(vectors, first, weights, sums);
    sb_multiply_step(vectors, second, weights + vectors, sums);
}

SB_INLINE size_t sb_filter_position(size_t filter) {
    return filter;
}

#endif
