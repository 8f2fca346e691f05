/* Machine code for the walks of a finished program. */
#ifndef SB_JIT_GENERATE_H
#define SB_JIT_GENERATE_H

#include "contents.h"

/* Writes machine code for every step that has a kernel for it (step->generated) and makes that the
 * step's kernel. Steps keep the kernels they have where the system refuses memory to run code from,
 * where there is no memory, and, from the first one on that would exceed SB_MAX_MACHINE_CODE_BYTES,
 * all. */
void sb_generate_machine_code(sb_contents *contents);

#endif
