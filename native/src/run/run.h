/* One call of a program, as every share of it sees it. */
#ifndef SB_RUN_H
#define SB_RUN_H

#include "contents.h"
#include "threads.h"

typedef struct sb_call {
    const sb_contents *contents;
    const float *const *inputs;
    float *const *outputs;
    char *arena, *batch_values, *scratch;
    size_t batch, shares;
    sb_team *team; /* NULL for one share */
    float *const *copies;
    double *step_ns;
} sb_call;

/* The share's part of every step; a sb_team_work. */
void sb_call_run(void *call, size_t share);

#endif
