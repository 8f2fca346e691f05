/* Generated walks, each function by itself: the code that a program was given, on guarded windows,
 * against the walk that its counts and offsets describe, step by step on one lane. */
#ifndef CHECK_WALKS_H
#define CHECK_WALKS_H

#include "intercept.h"
#include "random.h"

/* functions: checked; calls of them. */
typedef struct check_walk_counts {
    uint64_t functions, calls, bytes;
} check_walk_counts;

void check_walks(const sb_program *program, check_random *random, check_complaint complain);
const check_walk_counts *check_walks_counted(void);

/* Puts bytes in place of the beginning of every function that is checked from now on; 0: none. */
void check_plant_in_walks(const void *bytes, size_t count);

#endif
