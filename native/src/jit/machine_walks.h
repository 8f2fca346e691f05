/* The bucket walks of kernels/bucket/walk.h as straight-line machine code. */
#ifndef SB_JIT_MACHINE_WALKS_H
#define SB_JIT_MACHINE_WALKS_H

#include "emitter.h"
#include "kernels/kernel.h"

/* vectors V: output pixels walked at once, 1 to SB_MACHINE_VECTORS. codes: lanes are uint16_t,
 * summed modulo 2^16, else float. tiles: how many times in a row a function runs. */
typedef struct sb_walk_form {
    int32_t vectors;
    bool codes;
    int32_t tiles;
} sb_walk_form;

/* Appends a function of type sb_walk_function for `count` consecutive walks of one chunk, 7 / V at
 * most, of at most 8 filters each:
 * y[filter][v] = what sb_walk_group gives, bit for bit, the filters of all walks one after the
 * other. On its way it asks for the cache lines from `ahead` on; returned is their number, so that
 * `tiles` runs ask for as much code as the function has. */
int32_t sb_emit_walks(sb_emitter *emitter, const sb_bucket_weights *weights,
                      const sb_bucket_group *groups, int32_t count, const sb_walk_form *form);

#endif
