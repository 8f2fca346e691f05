/* Counts vector additions as they are made, in builds that ask for it (SB_TALLIED, tests only):
 * what an instrumented run performs must equal what a strategy says it takes. */
#ifndef SB_KERNELS_TALLY_H
#define SB_KERNELS_TALLY_H

#ifdef SB_TALLIED
#include <stdint.h>
extern uint64_t sb_tallied_additions;
#define SB_TALLY(additions) ((void)(sb_tallied_additions += (additions)))
#else
#define SB_TALLY(additions) ((void)0)
#endif

#endif
