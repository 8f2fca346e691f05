/* depthwise_codes.h's sb_add_taps for ARM: bytes of which both have a sign, a code less 128 and an
 * integer of at most 63, so that 4 products fit 16 bits before they widen. */
#ifndef SB_KERNELS_TAPS_NEON_H
#define SB_KERNELS_TAPS_NEON_H

#include <arm_neon.h>

enum { SB_TAPS_TOGETHER = 4 };

/* Up to 4 taps of a vector of pixels, added to its sums. */
SB_INLINE void sb_add_few_taps(int count, const size_t *offsets, const int8x16_t *weights,
                               const sb_element *window, sb_sums *sums) {
    const uint8x16_t centre = vdupq_n_u8(SB_CODE_CENTRE);
    int16x8_t low = vdupq_n_s16(0), high = low;
    SB_UNROLL
    for (int i = 0; i < count; ++i) {
        const int8x16_t codes =
            vreinterpretq_s8_u8(veorq_u8(vld1q_u8(window + offsets[i]), centre));
        const int8x8_t half = vget_low_s8(codes), weight = vget_low_s8(weights[i]);
        low = i ? vmlal_s8(low, half, weight) : vmull_s8(half, weight);
        high = i ? vmlal_high_s8(high, codes, weights[i]) : vmull_high_s8(codes, weights[i]);
    }
    sb_whole *part = sums->part;
    part[0] = (sb_whole)vaddw_s16((int32x4_t)part[0], vget_low_s16(low));
    part[1] = (sb_whole)vaddw_high_s16((int32x4_t)part[1], low);
    part[2] = (sb_whole)vaddw_s16((int32x4_t)part[2], vget_low_s16(high));
    part[3] = (sb_whole)vaddw_high_s16((int32x4_t)part[3], high);
}

SB_INLINE void sb_add_taps_together(int count, const size_t *offsets, const int8_t *weights,
                                    const sb_element *const *windows, sb_sums *sums) {
    int8x16_t same[SB_TAPS_TOGETHER];
    SB_UNROLL
    for (int i = 0; i < count; ++i)
        same[i] = vld1q_dup_s8(weights + i);
    SB_UNROLL
    for (int v = 0; v < SB_VECTORS; ++v)
        sb_add_few_taps(count, offsets, same, windows[v], sums + v);
}

/* sums += taps of one channel. weights: of the filter's first tap; windows: at the channel. An even
 * number of taps is four at a time and at last two. */
SB_INLINE void sb_add_taps(const sb_taps *taps, const int8_t *weights,
                           const sb_element *const *windows, sb_sums *sums) {
    int32_t i = 0;
    weights += taps->first;
    for (; i + SB_TAPS_TOGETHER <= taps->count; i += SB_TAPS_TOGETHER)
        sb_add_taps_together(SB_TAPS_TOGETHER, taps->offsets + i, weights + i, windows, sums);
    if (i < taps->count)
        sb_add_taps_together(2, taps->offsets + i, weights + i, windows, sums);
}

#endif
