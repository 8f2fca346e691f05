/* A program written down as the calls that build it: what reliability/fuzz/trace.py writes of a
 * network, and what a fuzzer makes of that. */
#ifndef SIGNBIN_FUZZ_TRACE_H
#define SIGNBIN_FUZZ_TRACE_H

#include "input.h"

#include <signbin.h>

/* The first call that fails ends it; its status is returned, and *program is left as it is. work:
 * about how many operations the steps take on one image. threads: 0 for those the trace asks for.
 */
sb_status sb_build_trace(sb_input *input, int32_t threads, sb_program **program, double *work);

#endif
