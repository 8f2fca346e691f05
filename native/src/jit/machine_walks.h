/* The bucket walks of kernels/bucket/walk.h as straight-line machine code. */
#ifndef SB_JIT_MACHINE_WALKS_H
#define SB_JIT_MACHINE_WALKS_H

#include "courses.h"

/* Appends a function of type sb_walk_function for `count` consecutive walks of one chunk, 7 / V at
 * most, of at most 8 filters each:
 * y[filter][v] = what sb_walk_group gives, bit for bit, the filters of all walks one after the
 * other. On its way it asks for the cache lines from `ahead` on; returned is their number, so that
 * `tiles` runs ask for as much code as the function has. */
int32_t sb_emit_walks(sb_emitter *emitter, const sb_bucket_weights *weights,
                      const sb_bucket_group *groups, int32_t count, const sb_walk_form *form);

#endif
