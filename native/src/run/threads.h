/* A team of threads that wait for work, and the pieces that they share it in. */
#ifndef SB_THREADS_H
#define SB_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sb_team sb_team;

/* Where one thread is in a job: how many stages it has begun, how many pieces they have in all.
 * team: NULL for a thread that works alone. */
typedef struct sb_member {
    sb_team *team;
    size_t number;
    uint64_t stage, pieces;
} sb_member;

/* Called by every thread that comes in time: number 0 is the caller's own, the others may be late,
 * or never come. Each must take the same stages in the same order. */
typedef void (*sb_team_work)(const void *job, sb_member *member);

/* One piece of a stage, on the thread of that number. */
typedef void (*sb_team_piece)(const void *stage, size_t thread, size_t piece, size_t pieces);

/* threads >= 2, the caller's included. NULL where the system has no more threads or memory. */
sb_team *sb_team_create(size_t threads);
void sb_team_free(sb_team *team);

/* Runs work(job) on the team and returns when it is done; false, without running anything, while
 * another call has the team, or in a process forked after the team was made. */
bool sb_team_run(sb_team *team, sb_team_work work, const void *job);

/* Inside work: returns when every piece has run, on whichever thread was free. One that is alone
 * runs one piece. */
void sb_team_share(sb_member *member, size_t pieces, sb_team_piece run, const void *stage);

#endif
