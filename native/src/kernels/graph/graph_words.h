/* Kinds of runs in a packed add-graph; program.h says what follows each. */
#ifndef SB_KERNELS_GRAPH_WORDS_H
#define SB_KERNELS_GRAPH_WORDS_H

enum {
    SB_GRAPH_END = 0,
    SB_GRAPH_ADD_INPUTS,          /* input + input */
    SB_GRAPH_ADD_INPUT_SLOT,      /* input + slot */
    SB_GRAPH_ADD_SLOTS,           /* slot + slot */
    SB_GRAPH_SUBTRACT_INPUTS,     /* input - input */
    SB_GRAPH_SUBTRACT_INPUT_SLOT, /* input - slot */
    SB_GRAPH_SUBTRACT_SLOT_INPUT, /* slot - input */
    SB_GRAPH_SUBTRACT_SLOTS,      /* slot - slot */
    SB_GRAPH_SUMS,
    SB_GRAPH_FILTERS
};

enum { SB_GRAPH_OPENS = 1, SB_GRAPH_CLOSES = 2 };

#endif
