/* SB_LANES vectors as a square: rows become columns. Define SB_LANES before including.
 * Each of log2(L) rounds interleaves the first half of the rows with the second, as one shuffles
 * cards; after the last, number j of row i has come to number i of row j. L = 4, two rounds:
 *
 *   a0 a1 a2 a3     a0 c0 a1 c1     a0 b0 c0 d0
 *   b0 b1 b2 b3     a2 c2 a3 c3     a1 b1 c1 d1
 *   c0 c1 c2 c3     b0 d0 b1 d1     a2 b2 c2 d2
 *   d0 d1 d2 d3     b2 d2 b3 d3     a3 b3 c3 d3
 */
#ifndef SB_KERNELS_TRANSPOSE_H
#define SB_KERNELS_TRANSPOSE_H

#include "lane_vector.h"

#include <string.h>

#if SB_LANES > 1 && !defined(SB_VECTOR_IS_STRUCT) && !defined(SB_CODES_PLAIN) &&                   \
    defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SB_SHUFFLES 1
#endif
#endif

#if !defined(SB_SHUFFLES)

SB_INLINE void sb_transpose(sb_stored *rows) {
    sb_element from[SB_LANES][SB_LANES], to[SB_LANES][SB_LANES];
    memcpy(from, rows, sizeof from);
    for (int i = 0; i < SB_LANES; ++i)
        for (int j = 0; j < SB_LANES; ++j)
            to[j][i] = from[i][j];
    memcpy(rows, to, sizeof to);
}

#else

#if SB_LANES == 4
#define SB_LOW_CARDS 0, 4, 1, 5
#define SB_HIGH_CARDS 2, 6, 3, 7
#elif SB_LANES == 8
#define SB_LOW_CARDS 0, 8, 1, 9, 2, 10, 3, 11
#define SB_HIGH_CARDS 4, 12, 5, 13, 6, 14, 7, 15
#elif SB_LANES == 16
#define SB_LOW_CARDS 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define SB_HIGH_CARDS 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#endif

SB_INLINE void sb_shuffle_cards(const sb_stored *from, sb_stored *to) {
    SB_UNROLL
    for (int i = 0; i < SB_LANES / 2; ++i) {
        const sb_stored a = from[i], b = from[i + SB_LANES / 2];
        to[2 * i] = __builtin_shufflevector(a, b, SB_LOW_CARDS);
        to[2 * i + 1] = __builtin_shufflevector(a, b, SB_HIGH_CARDS);
    }
}

SB_INLINE void sb_transpose(sb_stored *rows) {
    sb_stored turned[SB_LANES];
    sb_shuffle_cards(rows, turned);
    sb_shuffle_cards(turned, rows);
#if SB_LANES == 8
    sb_shuffle_cards(rows, turned);
    memcpy(rows, turned, sizeof turned);
#elif SB_LANES == 16
    sb_shuffle_cards(rows, turned);
    sb_shuffle_cards(turned, rows);
#endif
}

#endif

#endif
