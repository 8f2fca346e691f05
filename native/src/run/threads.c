#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* for the cores that a thread may run on */
#endif
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* Idle workers spin for a moment, since the next call often follows at once, then sleep. So does a
 * thread that waits for pieces of others: it must not yield, since a core that has nothing to run
 * takes over a thread that waits for one, and a core that yields to a stranger is lost for long. */
enum { IDLE_SPINS = 20000, WAIT_SPINS = 2000 };
enum { LINE_BYTES = 64, PIECE_BITS = 16 };

/* Pieces of one thread's part of a stage that are taken, by itself or by one that is done with its
 * own: stage << PIECE_BITS | how many of them. What an earlier stage left there counts as none.
 * core: where the thread was as it came into the call. */
typedef struct sb_claims {
    atomic_uint_fast64_t taken;
    atomic_int core;
    char line[LINE_BYTES - sizeof(atomic_uint_fast64_t) - sizeof(atomic_int)];
} sb_claims;

struct sb_team {
    size_t threads, started;
    pthread_t *workers;
    sb_claims *claims; /* of every thread */
    pid_t process;
    atomic_bool taken, stopping;
    atomic_uint round;             /* counts calls; a change wakes the workers */
    atomic_uint sleeping, waiting; /* threads that need a condition */
    atomic_uint_fast64_t finished; /* pieces of all calls */
    atomic_uint_fast64_t gate;     /* workers that came into this call << 1 | whether more may */
    atomic_uint_fast64_t left;     /* of those */
    atomic_size_t next_number;     /* handed out to workers as they start */
    uint64_t stage, pieces;        /* of all calls before */
    sb_team_work work;
    const void *job;
    pthread_mutex_t mutex;
    pthread_cond_t wake, progress;
};

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- waiting ------------------------------------------------------------------------------- */

static void notify(sb_team *team, atomic_uint *asleep, pthread_cond_t *condition) {
    if (!atomic_load(asleep))
        return;
    pthread_mutex_lock(&team->mutex);
    pthread_cond_broadcast(condition);
    pthread_mutex_unlock(&team->mutex);
}

static void count_up(sb_team *team, atomic_uint_fast64_t *counter, uint64_t target) {
    if (atomic_fetch_add(counter, 1) + 1 == target)
        notify(team, &team->waiting, &team->progress);
}

static void wait_for(sb_team *team, atomic_uint_fast64_t *counter, uint64_t target) {
    for (int spins = 0; spins < WAIT_SPINS; ++spins) {
        if (atomic_load_explicit(counter, memory_order_acquire) >= target)
            return;
        relax();
    }
    pthread_mutex_lock(&team->mutex);
    atomic_fetch_add(&team->waiting, 1);
    while (atomic_load(counter) < target)
        pthread_cond_wait(&team->progress, &team->mutex);
    atomic_fetch_sub(&team->waiting, 1);
    pthread_mutex_unlock(&team->mutex);
}

/* Returns the round that follows `round`, or a later one. */
static unsigned await_round(sb_team *team, unsigned round) {
    unsigned now;
    for (int spins = 0; spins < IDLE_SPINS; ++spins) {
        if ((now = atomic_load_explicit(&team->round, memory_order_acquire)) != round)
            return now;
        relax();
    }
    pthread_mutex_lock(&team->mutex);
    atomic_fetch_add(&team->sleeping, 1);
    while ((now = atomic_load(&team->round)) == round)
        pthread_cond_wait(&team->wake, &team->mutex);
    atomic_fetch_sub(&team->sleeping, 1);
    pthread_mutex_unlock(&team->mutex);
    return now;
}

static void begin_round(sb_team *team) {
    atomic_fetch_add(&team->round, 1);
    notify(team, &team->sleeping, &team->wake);
}

/* ---- stages -------------------------------------------------------------------------------- */

/* Takes a piece of thread `owner`'s part; false where none is left. */
static bool claim_from(sb_member *member, size_t owner, size_t pieces, size_t *piece) {
    const size_t threads = member->team->threads;
    const size_t begin = pieces * owner / threads, end = pieces * (owner + 1) / threads;
    atomic_uint_fast64_t *claims = &member->team->claims[owner].taken;
    uint_fast64_t held = atomic_load_explicit(claims, memory_order_relaxed);
    for (;;) {
        const uint64_t stage = held >> PIECE_BITS;
        const size_t taken = stage == member->stage ? held & (((uint64_t)1 << PIECE_BITS) - 1) : 0;
        if (stage > member->stage || begin + taken >= end)
            return false;
        *piece = begin + taken;
        if (atomic_compare_exchange_weak(claims, &held, member->stage << PIECE_BITS | (taken + 1)))
            return true;
    }
}

/* Its own pieces first: what they read it has mostly written itself. */
static bool claim(sb_member *member, size_t pieces, size_t *piece) {
    const size_t threads = member->team->threads;
    for (size_t i = 0; i < threads; ++i)
        if (claim_from(member, (member->number + i) % threads, pieces, piece))
            return true;
    return false;
}

void sb_team_share(sb_member *member, size_t pieces, sb_team_piece run, const void *stage) {
    sb_team *team = member->team;
    size_t piece;
    if (!team) {
        run(stage, 0, 0, 1);
        return;
    }
    ++member->stage;
    member->pieces += pieces;
    while (claim(member, pieces, &piece)) {
        run(stage, member->number, piece, pieces);
        count_up(team, &team->finished, member->pieces);
    }
    wait_for(team, &team->finished, member->pieces);
}

/* ---- cores --------------------------------------------------------------------------------- */

#ifdef __linux__
/* Moves the calling thread off the cores `taken`, where it may run on another; afterwards it may
 * run wherever it might before. */
static void move_off(const cpu_set_t *taken) {
    cpu_set_t allowed, others;
    if (sched_getaffinity(0, sizeof allowed, &allowed))
        return;
    CPU_AND(&others, &allowed, taken);
    CPU_XOR(&others, &others, &allowed);
    if (CPU_COUNT(&others) && !sched_setaffinity(0, sizeof others, &others))
        (void)sched_setaffinity(0, sizeof allowed, &allowed);
}

/* The system may leave threads that never sleep on one core for seconds while another is idle. So
 * one that meets a thread of a lower number moves. */
static void keep_apart(sb_team *team, size_t number) {
    const int own = sched_getcpu();
    cpu_set_t taken;
    bool meets = false;
    CPU_ZERO(&taken);
    for (size_t i = 0; i < number; ++i) {
        const int core = atomic_load_explicit(&team->claims[i].core, memory_order_relaxed);
        if (core >= 0 && core < CPU_SETSIZE)
            CPU_SET(core, &taken);
        meets |= own >= 0 && core == own;
    }
    if (meets)
        move_off(&taken);
    atomic_store_explicit(&team->claims[number].core, meets ? sched_getcpu() : own,
                          memory_order_relaxed);
}
#else
static void keep_apart(sb_team *team, size_t number) {
    (void)team, (void)number;
}
#endif

/* ---- calls --------------------------------------------------------------------------------- */

/* A worker that comes late is not waited for, one that has come in is. */
static bool enter(sb_team *team) {
    uint_fast64_t gate = atomic_load(&team->gate);
    while (gate & 1)
        if (atomic_compare_exchange_weak(&team->gate, &gate, gate + 2))
            return true;
    return false;
}

static void *work_on(void *argument) {
    sb_team *team = argument;
    const size_t number = atomic_fetch_add(&team->next_number, 1);
    for (unsigned round = 0;;) {
        round = await_round(team, round);
        if (atomic_load(&team->stopping))
            return NULL;
        if (!enter(team))
            continue;
        sb_member member = {team, number, team->stage, team->pieces};
        keep_apart(team, number);
        team->work(team->job, &member);
        atomic_fetch_add(&team->left, 1);
        notify(team, &team->waiting, &team->progress);
    }
}

bool sb_team_run(sb_team *team, sb_team_work work, const void *job) {
    if (team->process != getpid() || atomic_exchange(&team->taken, true))
        return false;
    sb_member member = {team, 0, team->stage, team->pieces};
    team->work = work;
    team->job = job;
    keep_apart(team, 0);
    atomic_store(&team->left, 0);
    atomic_store(&team->gate, 1);
    begin_round(team);
    work(job, &member);
    wait_for(team, &team->left, atomic_fetch_and(&team->gate, ~(uint_fast64_t)1) >> 1);
    team->stage = member.stage;
    team->pieces = member.pieces;
    atomic_store(&team->taken, false);
    return true;
}

/* ---- life ---------------------------------------------------------------------------------- */

sb_team *sb_team_create(size_t threads) {
    sb_team *team = calloc(1, sizeof *team);
    if (!team)
        return NULL;
    team->threads = threads;
    team->process = getpid();
    team->workers = calloc(threads - 1, sizeof *team->workers);
    team->claims = calloc(threads, sizeof *team->claims);
    atomic_store(&team->next_number, 1);
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->wake, NULL);
    pthread_cond_init(&team->progress, NULL);
    while (team->workers && team->claims && team->started < threads - 1 &&
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
        pthread_cond_destroy(&team->progress);
        pthread_cond_destroy(&team->wake);
        pthread_mutex_destroy(&team->mutex);
    }
    free(team->claims);
    free(team->workers);
    free(team);
}
