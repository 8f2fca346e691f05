/* Stands between a program and its kernels: each call goes to guarded copies of its operands,
 * through the trampoline, several times over. */
#ifndef CHECK_INTERCEPT_H
#define CHECK_INTERCEPT_H

#include "call.h"
#include "registry.h"

#include <signbin.h>

/* What was called, over the whole run. calls: through the trampoline. */
typedef struct check_counts {
    uint64_t calls;
    uint64_t *of_row; /* one for every row of kernels.def */
} check_counts;

/* Told of everything that goes wrong; row: which kernel. */
typedef void (*check_complaint)(const char *row, const char *fault);

void check_intercept(sb_program *program, check_complaint complain);

/* Nothing of the program may be called any more. */
void check_release(void);

const check_counts *check_counted(void);

/* In place of a row's kernel, from now on; NULL: its own again. For tests of the checks. */
void check_plant(const char *row, sb_kernel_function wrong);

/* Instead of checking, calls of this row are measured: the least ticks of a call. NULL: none. */
void check_measure(const char *row);
uint64_t check_least_ticks(void);

size_t check_row_of(const char *name);

#endif
