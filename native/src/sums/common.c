#include <signbin_sharing.h>

#include "count_bits.h"

SB_COUNTS_BITS static int32_t by_instruction(const uint64_t *x, const uint64_t *y, int32_t words) {
    int32_t count = 0;
    for (int32_t w = 0; w < words; ++w)
        count += (int32_t)SB_COUNT_BITS(x[w] & y[w]);
    return count;
}

static int32_t by_sums(const uint64_t *x, const uint64_t *y, int32_t words) {
    int32_t count = 0;
    for (int32_t w = 0; w < words; ++w)
        count += count_bits(x[w] & y[w]);
    return count;
}

/* At most 2^20 words of 64 bits: their number fits 31 bits. */
static bool sound(const sb_rows *rows) {
    return rows && rows->count >= 0 && rows->count <= SB_MAX_SHARED && rows->words >= 0 &&
           rows->words <= SB_MAX_SHARED && (rows->bits || !rows->count || !rows->words);
}

sb_status sb_common_counts(const sb_rows *some, const sb_rows *others, int32_t *counts) {
    if (!sound(some) || !sound(others) || some->words != others->words)
        return SB_INVALID_ARGUMENT;
    if (!counts && some->count && others->count)
        return SB_INVALID_ARGUMENT;
    const size_t words = (size_t)some->words;
    int32_t (*const common)(const uint64_t *, const uint64_t *, int32_t) =
        counts_bits() ? by_instruction : by_sums;
    for (int32_t i = 0; i < some->count; ++i)
        for (int32_t j = 0; j < others->count; ++j)
            *counts++ = common(some->bits + (size_t)i * words, others->bits + (size_t)j * words,
                               some->words);
    return SB_OK;
}
