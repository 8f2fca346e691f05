/* Loads in the order in which they are written. Compilers move loads up until sums no longer fit
 * the 32 registers and go to memory and back; what passes through these stays in its place. */
#ifndef SB_KERNELS_REGISTERS_NEON_H
#define SB_KERNELS_REGISTERS_NEON_H

#include "../lane/lane_vector.h"

#include <arm_neon.h>
#include <stddef.h>

/* What was written before happens before, to a compiler. */
#define SB_KEEP(vector) __asm__ volatile("" : "+w"(vector))

/* 32 bytes of weights by one instruction that also moves on to the next ones. */
SB_INLINE const int8_t *sb_load_pair(const int8_t *weights, int8x16_t *first, int8x16_t *second) {
    int8x16_t a, b;
    __asm__ volatile("ldp %q0, %q1, [%2], 32"
                     : "=w"(a), "=w"(b), "+r"(weights)
                     : "m"(*(const int8_t (*)[32])weights));
    *first = a;
    *second = b;
    return weights;
}

#endif
