/* Which kernels exist, and which one serves a step. */
#ifndef SB_REGISTRY_H
#define SB_REGISTRY_H

#include "kernels/kernel.h"
#include "signbin.h"

typedef struct sb_kernel_row {
    sb_kernel_info info; /* usable is filled in by sb_kernel_get */
    sb_kernel_function run;
} sb_kernel_row;

/* What a step asks for. type: of its input. filters, vectors: the tile of the plan; 0 filters where
 * any will do. */
typedef struct sb_kernel_query {
    sb_strategy strategy;
    const char *op;
    sb_isa isa;
    sb_type type;
    int32_t filters, vectors;
    bool
        generated; /* a kernel that runs machine code made with the program, or one that does not */
} sb_kernel_query;

/* The kernel of the last ISA up to query.isa that has one: it walks at least query.filters; of
 * those the most vectors up to query.vectors, then the fewest filters. NULL if there is none. */
const sb_kernel_row *sb_registry_find(const sb_kernel_query *query);

/* The kernel of a stage for an instruction set and what it reads: "relayout", "halo",
 * "sum_channels"; of codes also "quantize" (which writes them) and "dequantize". */
const sb_kernel_row *sb_registry_stage(const char *op, sb_isa isa, sb_type type);

/* Whether this CPU runs code compiled for the ISA. */
bool sb_cpu_runs(sb_isa isa);

#endif
