/* Kinds of runs in a packed list of sums; sum_list.h says what follows each. */
#ifndef SB_KERNELS_SUM_WORDS_H
#define SB_KERNELS_SUM_WORDS_H

enum {
    SB_SUMS_END = 0,
    SB_SUMS_ADD_INPUTS,          /* input + input */
    SB_SUMS_ADD_INPUT_SLOT,      /* input + slot */
    SB_SUMS_ADD_SLOTS,           /* slot + slot */
    SB_SUMS_SUBTRACT_INPUTS,     /* input - input */
    SB_SUMS_SUBTRACT_INPUT_SLOT, /* input - slot */
    SB_SUMS_SUBTRACT_SLOT_INPUT, /* slot - input */
    SB_SUMS_SUBTRACT_SLOTS,      /* slot - slot */
    SB_SUMS_KEPT,
    SB_SUMS_FILTERS
};

enum { SB_SUMS_OPENS = 1, SB_SUMS_CLOSES = 2 };

#endif
