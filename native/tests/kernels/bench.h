/* The least time of a call of every row, beside the scalar kernel's on the same operands. */
#ifndef CHECK_BENCH_H
#define CHECK_BENCH_H

#include "cases.h"

/* Returns what the program is to exit with. */
int check_bench(const check_options *options);

#endif
