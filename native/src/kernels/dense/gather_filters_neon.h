/* 4 filters of 16 pixels from rows with filters in the lanes to vectors with pixels in the lanes,
 * for what finish_neon.h does not do. */
#ifndef SB_KERNELS_GATHER_FILTERS_NEON_H
#define SB_KERNELS_GATHER_FILTERS_NEON_H

#include "../lane/lane_vector.h"

#include <arm_neon.h>

#define SB_GATHERS_FILTERS 1
_Static_assert(SB_LANES == 16 && SB_PARTS == 4,
               "four vectors hold the sums of the lanes, in order");

/* sums: of a vector of filters, [lane][stride]. lanes: of 4 of them, from `filter`. */
SB_INLINE void sb_gather_filters(const int32_t *sums, size_t stride, size_t filter,
                                 sb_sums *lanes) {
    SB_UNROLL
    for (size_t part = 0; part < 4; ++part) {
        const int32_t *row = sums + 4 * part * stride + filter;
        const int32x4_t a = vld1q_s32(row), b = vld1q_s32(row + stride);
        const int32x4_t c = vld1q_s32(row + 2 * stride), d = vld1q_s32(row + 3 * stride);
        const int64x2_t even[] = {vreinterpretq_s64_s32(vtrn1q_s32(a, b)),
                                  vreinterpretq_s64_s32(vtrn1q_s32(c, d))};
        const int64x2_t odd[] = {vreinterpretq_s64_s32(vtrn2q_s32(a, b)),
                                 vreinterpretq_s64_s32(vtrn2q_s32(c, d))};
        lanes[0].part[part] = (sb_whole)vtrn1q_s64(even[0], even[1]);
        lanes[1].part[part] = (sb_whole)vtrn1q_s64(odd[0], odd[1]);
        lanes[2].part[part] = (sb_whole)vtrn2q_s64(even[0], even[1]);
        lanes[3].part[part] = (sb_whole)vtrn2q_s64(odd[0], odd[1]);
    }
}

#endif
