/* Codes as planes of bits: bit c % 64 of word c / 64 of plane i is bit i of the code of channel c.
 * The eight planes of a word lie side by side, 64 bytes. SB_LANES and SB_CODES are set. */
#ifndef SB_KERNELS_BITSERIAL_PLANES_H
#define SB_KERNELS_BITSERIAL_PLANES_H

#include "../lane/lane_vector.h"
#include "../view.h"

#include <string.h>

enum { SB_PLANES = 8 };

/* Byte j of the result holds bit j of every byte: a matrix of 8 x 8 bits, turned. */
static inline uint64_t sb_turn_bits(uint64_t x) {
    uint64_t t = (x ^ x >> 7) & UINT64_C(0x00aa00aa00aa00aa);
    x ^= t ^ t << 7;
    t = (x ^ x >> 14) & UINT64_C(0x0000cccc0000cccc);
    x ^= t ^ t << 14;
    t = (x ^ x >> 28) & UINT64_C(0x00000000f0f0f0f0);
    return x ^ t ^ t << 28;
}

/* One word of 64 channels; codes: of the first one, `step` elements apart; planes: zero. */
static inline void sb_pack_word(const sb_element *codes, size_t step, size_t channels,
                                uint64_t *planes) {
    for (size_t c = 0; c < channels; c += 8) {
        uint64_t bytes = 0;
        for (size_t i = 0; i < 8 && c + i < channels; ++i)
            bytes |= (uint64_t)(codes[(c + i) * step] & 0xff) << 8 * i;
        bytes = sb_turn_bits(bytes);
        for (int plane = 0; plane < SB_PLANES; ++plane)
            planes[plane] |= (bytes >> 8 * plane & 0xff) << c;
    }
}

/* All channels of one place. */
static inline void sb_pack_channels(const sb_element *codes, size_t step, size_t channels,
                                    uint64_t *planes) {
    for (size_t first = 0; first < channels; first += 64, planes += SB_PLANES) {
        const size_t left = channels - first;
        memset(planes, 0, SB_PLANES * sizeof *planes);
        sb_pack_word(codes + first * step, step, left < 64 ? left : 64, planes);
    }
}

#endif
