/* A call through a trampoline that checks what the platform's convention promises of every
 * function: registers that it keeps, the stack above it, the modes of arithmetic; and that survives
 * crashes. */
#ifndef CHECK_CALL_H
#define CHECK_CALL_H

#include "machine.h"

typedef struct check_call {
    void (*function)(void);
    const void *arguments[CHECK_ARGUMENTS];
} check_call;

/* Handlers of crashes and the stack that functions run on; once. */
void check_prepare_calls(void);

/* Calls it. What went wrong is written to `fault`, "" where nothing did. */
void check_run(const check_call *call, char fault[CHECK_FAULT_BYTES]);

/* Gives the next calls so many seconds together; 0: as long as they take. */
void check_limit_seconds(unsigned seconds);

/* Bytes of the stack that the deepest call has used. */
size_t check_deepest_stack(void);

#endif
