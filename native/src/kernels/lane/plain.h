/* Vectors of plain values, whose elements are where they are: no alignment but that of a float. */
#ifndef SB_KERNELS_PLAIN_H
#define SB_KERNELS_PLAIN_H

#include "lane_vector.h"

#include <string.h>

SB_INLINE sb_vector sb_load_any(const sb_element *address) {
    sb_vector value;
    memcpy(&value, address, sizeof value);
    return value;
}

SB_INLINE void sb_store_any(sb_element *address, sb_vector value) {
    memcpy(address, &value, sizeof value);
}

/* The first `count` elements, `other` in the lanes behind them. */
SB_INLINE sb_vector sb_load_some(const sb_element *address, size_t count, sb_element other) {
    sb_element held[SB_LANES];
    if (count == SB_LANES)
        return sb_load_any(address);
    for (size_t i = 0; i < SB_LANES; ++i)
        held[i] = i < count ? address[i] : other;
    return sb_load_any(held);
}

SB_INLINE void sb_store_some(sb_element *address, size_t count, sb_vector value) {
    sb_element held[SB_LANES];
    if (count == SB_LANES) {
        sb_store_any(address, value);
        return;
    }
    memcpy(held, &value, sizeof held);
    memcpy(address, held, count * sizeof *address);
}

#endif
