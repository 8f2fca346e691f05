/* The library's question which instruction sets the CPU runs, answered as if it lacked some. */
#ifndef CHECK_MASKS_H
#define CHECK_MASKS_H

#include <signbin.h>

/* Takes away an instruction set and all that build on it; SB_ISA_COUNT: nothing. */
void check_mask(sb_isa first);

#endif
