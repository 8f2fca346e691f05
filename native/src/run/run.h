/* One call of a program, as every thread of it sees it. */
#ifndef SB_RUN_H
#define SB_RUN_H

#include "contents.h"
#include "threads.h"

typedef struct sb_call {
    const sb_contents *contents;
    const float *const *inputs;
    float *const *outputs;
    char *arena, *batch_values, *scratch;
    size_t batch;
    float *const *copies;
    double *step_ns;
} sb_call;

/* Every step, with the others of a team or alone; a sb_team_work. */
void sb_call_run(const void *call, sb_member *member);

#endif
