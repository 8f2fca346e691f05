#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* Idle workers spin for a moment, since the next call often follows at once, then sleep. Waiting
 * for the others between two stages spins, then yields, in case there are fewer cores than
 * threads. */
enum { IDLE_SPINS = 20000, BARRIER_SPINS = 2000 };

struct sb_team {
    size_t threads, started;
    pthread_t *workers;
    pid_t process;
    atomic_bool taken, stopping;
    atomic_uint round;        /* counts calls; a change wakes the workers */
    atomic_uint sleeping;     /* workers that need the condition */
    atomic_size_t arrived;    /* at the barrier */
    atomic_uint phase;        /* counts barriers passed */
    atomic_size_t next_share; /* handed out to workers as they start */
    sb_team_work work;
    void *job;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
};

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void sb_team_wait(sb_team *team) {
    const unsigned phase = atomic_load_explicit(&team->phase, memory_order_relaxed);
    if (atomic_fetch_add(&team->arrived, 1) + 1 == team->threads) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&team->phase, phase + 1, memory_order_release);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&team->phase, memory_order_acquire) == phase;
         ++spins) {
        if (spins < BARRIER_SPINS)
            relax();
        else
            sched_yield();
    }
}

/* Returns when `round` is past. */
static void await_round(sb_team *team, unsigned round) {
    for (int spins = 0; spins < IDLE_SPINS; ++spins) {
        if (atomic_load_explicit(&team->round, memory_order_acquire) != round)
            return;
        relax();
    }
    pthread_mutex_lock(&team->mutex);
    atomic_fetch_add(&team->sleeping, 1);
    while (atomic_load(&team->round) == round)
        pthread_cond_wait(&team->wake, &team->mutex);
    atomic_fetch_sub(&team->sleeping, 1);
    pthread_mutex_unlock(&team->mutex);
}

static void begin_round(sb_team *team) {
    atomic_fetch_add(&team->round, 1);
    if (!atomic_load(&team->sleeping))
        return;
    pthread_mutex_lock(&team->mutex);
    pthread_cond_broadcast(&team->wake);
    pthread_mutex_unlock(&team->mutex);
}

static void *work_on(void *argument) {
    sb_team *team = argument;
    const size_t share = atomic_fetch_add(&team->next_share, 1);
    for (unsigned round = 0;; ++round) {
        await_round(team, round);
        if (atomic_load(&team->stopping))
            return NULL;
        team->work(team->job, share);
        sb_team_wait(team);
    }
}

sb_team *sb_team_create(size_t threads) {
    sb_team *team = calloc(1, sizeof *team);
    if (!team)
        return NULL;
    team->threads = threads;
    team->process = getpid();
    team->workers = calloc(threads - 1, sizeof *team->workers);
    atomic_store(&team->next_share, 1);
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->wake, NULL);
    while (team->workers && team->started < threads - 1 &&
           !pthread_create(&team->workers[team->started], NULL, work_on, team))
        ++team->started;
    if (team->started == threads - 1)
        return team;
    sb_team_free(team);
    return NULL;
}

void sb_team_free(sb_team *team) {
    if (!team)
        return;
    if (team->process == getpid()) {
        atomic_store(&team->stopping, true);
        begin_round(team);
        for (size_t i = 0; i < team->started; ++i)
            pthread_join(team->workers[i], NULL);
        pthread_cond_destroy(&team->wake);
        pthread_mutex_destroy(&team->mutex);
    }
    free(team->workers);
    free(team);
}

bool sb_team_run(sb_team *team, sb_team_work work, void *job) {
    if (team->process != getpid() || atomic_exchange(&team->taken, true))
        return false;
    team->work = work;
    team->job = job;
    begin_round(team);
    work(job, 0);
    sb_team_wait(team);
    atomic_store(&team->taken, false);
    return true;
}
