/* The bucket walks of kernels/bucket/walk.h as straight-line machine code of 64-bit ARM. */
#ifndef SB_JIT_ARM_WALKS_H
#define SB_JIT_ARM_WALKS_H

#include "courses.h"

/* sb_emit_walks over codes of one byte, V = 1, for the first eight lanes of a vector of 16: called
 * a second time with the window and y moved on by eight lanes, the function does the others.
 * `ahead` is ignored, and returned is 0. */
int32_t sb_emit_arm_walks(sb_emitter *emitter, const sb_bucket_weights *weights,
                          const sb_bucket_group *groups, int32_t count, const sb_walk_form *form);

#endif
