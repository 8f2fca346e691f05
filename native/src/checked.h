/* Size arithmetic that cannot wrap. */
#ifndef SB_CHECKED_H
#define SB_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *size *= factor; false (and *size untouched) where that does not fit. */
static inline bool sb_checked_multiply(size_t *size, size_t factor) {
    if (factor && *size > SIZE_MAX / factor)
        return false;
    *size *= factor;
    return true;
}

static inline bool sb_checked_add(size_t *size, size_t term) {
    if (*size > SIZE_MAX - term)
        return false;
    *size += term;
    return true;
}

#endif
