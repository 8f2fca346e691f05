/* How many bytes a kernel is given of each operand: what the builder has planned for it, exactly.
 */
#ifndef CHECK_OPERANDS_OF_H
#define CHECK_OPERANDS_OF_H

#include "contents.h"

typedef enum check_operand {
    CHECK_INPUT,
    CHECK_RESIDUAL,
    CHECK_TOTALS,
    CHECK_OUTPUT,
    CHECK_SCRATCH,
    CHECK_OPERANDS
} check_operand;

typedef struct check_extents {
    size_t bytes[CHECK_OPERANDS];
} check_extents;

/* Of a call of a kernel for a layer, found by the layer's address in the program. */
void check_find_extents(const sb_contents *contents, const sb_kernel_row *kernel,
                        const sb_layer *layer, const sb_operands *operands, check_extents *extents);

/* Gives the arrays of a layer their names, for whoever misses them. */
void check_name_arrays(const sb_layer *layer);

#endif
