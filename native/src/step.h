/* What goes into a step while it is built: its kernel, arrays that the builder owns, scratch. */
#ifndef SB_STEP_H
#define SB_STEP_H

#include "contents.h"

/* The registry's kernel for a query, or SB_UNSUPPORTED. */
sb_status sb_find_kernel(sb_builder *builder, const sb_kernel_query *query, sb_step *step);

/* A copy owned by the builder. *copy stays NULL where floats is absent. `what` names the array in
 * messages; count is what it must hold; NaN and infinity are refused. */
sb_status sb_copy_floats(sb_builder *builder, const sb_floats *floats, size_t count,
                         const char *what, const float **copy);

/* Scale and bias of the epilogue where the caller gave none: 1 and 0. */
sb_status sb_complete_epilogue(sb_builder *builder, size_t channels, sb_epilogue *epilogue);

/* Bytes more of the step's scratch, 64-byte aligned. */
sb_status sb_reserve(sb_builder *builder, sb_step *step, size_t bytes, size_t *offset);

#endif
