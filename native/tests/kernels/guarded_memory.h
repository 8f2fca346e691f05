/* The library's memory.h, kept between guards: this file takes the place of its memory.c, so that
 * every array that a kernel is given has pages before and behind it that nobody may touch. */
#ifndef CHECK_GUARDED_MEMORY_H
#define CHECK_GUARDED_MEMORY_H

#include "guard.h"
#include "memory.h"

/* Where arrays that are taken from now on lie between their guards. */
void check_place_arrays(check_side side);

/* Whether arrays of a memory may be written. */
void check_allow_array_writes(const sb_memory *memory, bool allowed);

#endif
