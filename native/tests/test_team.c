/* The team of threads: every piece of every stage runs once, after all of the stage before; one
 * that is held up does not hold up the pieces behind it; whoever moves to another core may run on
 * all of them afterwards. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "run/threads.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

int test_team(void);

enum { STAGES = 200, PIECES = 7, MOST_THREADS = 5, CALLS = 50 };

/* runs: of each piece. early: pieces that began before the stage before was done. */
typedef struct counts {
    unsigned char runs[STAGES][PIECES];
    atomic_int done[STAGES], early, wrong;
    size_t threads;
} counts;

typedef struct stage {
    counts *counts;
    int number;
    size_t pieces;
} stage;

static void count_piece(const void *argument, size_t thread, size_t piece, size_t pieces) {
    const stage *now = argument;
    counts *all = now->counts;
    if (now->number && atomic_load(&all->done[now->number - 1]) == 0)
        atomic_fetch_add(&all->early, 1);
    if (thread >= all->threads || piece >= pieces || pieces != now->pieces)
        atomic_fetch_add(&all->wrong, 1);
    else
        ++all->runs[now->number][piece];
    /* The last one says so: stages have from 1 to PIECES of them. */
    static atomic_int finished[STAGES];
    if (atomic_fetch_add(&finished[now->number], 1) + 1 == (int)pieces) {
        atomic_store(&finished[now->number], 0);
        atomic_store(&all->done[now->number], 1);
    }
}

static void count_stages(const void *job, sb_member *member) {
    counts *all = *(counts *const *)job;
    for (int i = 0; i < STAGES; ++i) {
        const stage now = {all, i, (size_t)(i % PIECES + 1)};
        sb_team_share(member, now.pieces, count_piece, &now);
    }
}

static int count_calls(size_t threads) {
    static counts all;
    int wrong = 0;
    counts *job = &all;
    sb_team *team = sb_team_create(threads);
    for (int call = 0; team && call < CALLS; ++call) {
        memset(&all, 0, sizeof all);
        all.threads = threads;
        wrong += !sb_team_run(team, count_stages, &job);
        wrong += atomic_load(&all.early) + atomic_load(&all.wrong);
        for (int i = 0; i < STAGES; ++i)
            for (int piece = 0; piece < PIECES; ++piece)
                wrong += all.runs[i][piece] != (piece <= i % PIECES);
    }
    wrong += !team;
    sb_team_free(team);
    return wrong;
}

/* The first piece ends after all others have: somebody else must have taken those of its thread. */
static void wait_for_others(const void *argument, size_t thread, size_t piece, size_t pieces) {
    atomic_int *done = *(atomic_int *const *)argument;
    (void)thread;
    while (piece == 0 && atomic_load(done) + 1 < (int)pieces)
        sched_yield();
    atomic_fetch_add(done, 1);
}

static void hold_up(const void *job, sb_member *member) {
    sb_team_share(member, PIECES, wait_for_others, job);
}

#ifdef __linux__
typedef struct cores {
    cpu_set_t allowed;
    atomic_int wrong;
} cores;

static void compare_cores(const void *argument, size_t thread, size_t piece, size_t pieces) {
    cores *all = *(cores *const *)argument;
    cpu_set_t now;
    (void)piece, (void)pieces;
    if (thread && (sched_getaffinity(0, sizeof now, &now) || !CPU_EQUAL(&now, &all->allowed)))
        atomic_fetch_add(&all->wrong, 1);
}

static void share_cores(const void *job, sb_member *member) {
    sb_team_share(member, PIECES, compare_cores, job);
}

/* The caller goes from core to core, so that it meets the others of its team. */
static int visit_cores(void) {
    cores all = {.wrong = 0};
    cores *job = &all;
    sb_team *team = sb_team_create(3);
    int wrong = !team || sched_getaffinity(0, sizeof all.allowed, &all.allowed);
    for (int call = 0; !wrong && call < CALLS * CPU_SETSIZE; ++call) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(call % CPU_SETSIZE, &one);
        if (!CPU_ISSET(call % CPU_SETSIZE, &all.allowed))
            continue;
        wrong += sched_setaffinity(0, sizeof one, &one) != 0;
        wrong += !sb_team_run(team, share_cores, &job);
    }
    sched_setaffinity(0, sizeof all.allowed, &all.allowed);
    sb_team_free(team);
    return wrong + atomic_load(&all.wrong);
}
#else
static int visit_cores(void) {
    return 0;
}
#endif

/* Failed expectations. */
int test_team(void) {
    int wrong = 0;
    for (size_t threads = 2; threads <= MOST_THREADS; ++threads)
        wrong += count_calls(threads);
    atomic_int done = 0;
    atomic_int *job = &done;
    sb_team *team = sb_team_create(2);
    wrong += !team || !sb_team_run(team, hold_up, &job) || atomic_load(&done) != PIECES;
    sb_team_free(team);
    wrong += visit_cores();
    if (wrong)
        fprintf(stderr, "test_team.c: %d expectations failed\n", wrong);
    return wrong;
}
