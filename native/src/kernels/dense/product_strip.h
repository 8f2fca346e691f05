/* What the products of a block of filters are made of, see products.h. SB_FILTERS stands in the
 * kernel's row. */
#ifndef SB_KERNELS_PRODUCT_STRIP_H
#define SB_KERNELS_PRODUCT_STRIP_H

#include "product_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Vectors of sums of a block of filters, at most. */
enum { SB_MOST_VECTORS = 4 };

/* Pixels (or images) whose sums are made together: where the window of each starts, and in which
 * slot of the sums it belongs. sums: [slot][SB_FILTERS], 64-byte aligned. */
typedef struct sb_strip {
    const uint8_t *pixels[SB_STRIP_SLOTS];
    int32_t slots[SB_STRIP_SLOTS];
    size_t count;
    int32_t *sums;
} sb_strip;

/* Some steps of a block of filters. paired: they come two by two, and the products of both fit 16
 * bits together. opens: nothing has been summed before them. */
typedef struct sb_run {
    const int8_t *weights;
    const int32_t *offsets;
    size_t steps;
    bool paired, opens;
} sb_run;

#endif
