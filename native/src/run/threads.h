/* A team of threads that wait for work, and the barrier they share while they work. */
#ifndef SB_THREADS_H
#define SB_THREADS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct sb_team sb_team;

/* Called once per share, share 0 on the caller's own thread. */
typedef void (*sb_team_work)(void *job, size_t share);

/* threads >= 2, the caller's included. NULL where the system has no more threads or memory. */
sb_team *sb_team_create(size_t threads);
void sb_team_free(sb_team *team);

/* Runs work(job, 0..threads-1) and returns when all are done; false, without running anything,
 * while another call has the team, or in a process forked after the team was made. */
bool sb_team_run(sb_team *team, sb_team_work work, void *job);

/* Inside work: returns when every share has come here. */
void sb_team_wait(sb_team *team);

#endif
