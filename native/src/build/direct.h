/* What a step without weights is: the rows are in direct_ops.c, what all share in direct.c. */
#ifndef SB_DIRECT_H
#define SB_DIRECT_H

#include "connect.h"

/* From which type to which: what is computed on codes may be stored as either type; what moves
 * elements keeps what they mean; what joins values does either, for each of them. */
typedef enum sb_direct_types {
    SB_COMPUTES = 0,
    SB_MOVES,
    SB_JOINS,
    SB_TO_CODES,
    SB_TO_FLOATS
} sb_direct_types;

/* A whole number that an operation takes, least..most; a real one, finite and above `above`, or any
 * that is no NaN. */
typedef struct sb_direct_whole {
    const char *name;
    int32_t least, most;
} sb_direct_whole;

typedef struct sb_direct_real {
    const char *name;
    float above;
    bool infinite;
} sb_direct_real;

/* stage: the kernels of a stage of layout/ that do it. kernel: else the kernels of direct/; NULL:
 * those of the same name. function: what they apply. scale, epilogue, table: whether it takes
 * them; a table must be there. broadcasts, pairs: as in sb_step. whole, real: its numbers, in
 * order; indexed: more whole ones follow, which map takes. map: checks that the values' shapes fit
 * and sets the window. place: decides where the kernel finds its operands. */
typedef struct sb_direct_op {
    const char *name, *stage, *kernel;
    sb_function function;
    sb_direct_types types;
    bool scale, epilogue, table, broadcasts, pairs, indexed;
    sb_direct_whole whole[SB_NUMBERS];
    sb_direct_real real[SB_NUMBERS];
    sb_status (*map)(sb_builder *builder, const sb_direct_spec *spec, sb_step *step);
    sb_status (*place)(sb_builder *builder, sb_step *step);
} sb_direct_op;

/* Row `index`; NULL where there are no more. */
const sb_direct_op *sb_direct_at(size_t index);

#endif
