/* Walks on their way to machine code: in which order their inputs are added and their outputs flip,
 * whatever the processor. Its instructions come from sb_walk_machine. */
#ifndef SB_JIT_COURSES_H
#define SB_JIT_COURSES_H

#include "emitter.h"
#include "kernels/kernel.h"

/* vectors V: output pixels walked at once, 1 to SB_MACHINE_VECTORS. codes: lanes are uint16_t,
 * summed modulo 2^16, else float. tiles: how many times in a row a function runs. registers: of the
 * processor, for vectors; vector_bytes: of each. */
typedef struct sb_walk_form {
    int32_t vectors;
    bool codes;
    int32_t tiles;
    int32_t registers, vector_bytes;
} sb_walk_form;

enum { SB_MOST_WALKS = 7, SB_IN_MEMORY = -1 };

/* One walk on its way: where it reads next. */
typedef struct sb_course {
    const sb_bucket_group *group;
    const uint16_t *counts, *offsets;
    uint32_t list, lists;  /* lists of offsets entered, and all of them */
    uint32_t left;         /* offsets of the list at hand still to come */
    bool subtracts, ended; /* the list at hand is a subtract list; the walk is over */
    int32_t first_row;     /* of its filters in y */
    uint32_t untouched;    /* bit f: y[f] has not been flipped yet and counts as zero */
    uint32_t pending;      /* bit f: y[f] is to be flipped before S changes */
    int8_t y[SB_WALK_FILTERS][SB_MACHINE_VECTORS]; /* registers */
    int8_t sum[SB_MACHINE_VECTORS];
} sb_course;

typedef struct sb_walk_writer sb_walk_writer;

/* What boundaries become. flip: y[f] = S - y[f]. step: y[f] += S, or y[f] -= S. */
typedef struct sb_walk_machine {
    void (*flip)(sb_walk_writer *writer, sb_course *course, int32_t f);
    void (*step)(sb_walk_writer *writer, sb_course *course, int32_t f, bool adds);
} sb_walk_machine;

/* One function. one, spare: registers of the processor's own; inputs: written so far; fetched:
 * cache lines asked for so far; delayed: what its instructions wait in, if they do. */
struct sb_walk_writer {
    sb_emitter *emitter;
    const sb_bucket_weights *weights;
    const sb_walk_form *form;
    const sb_walk_machine *machine;
    sb_course courses[SB_MOST_WALKS];
    int32_t count;
    int8_t one, spare;
    uint32_t inputs;
    int32_t fetched;
    void *delayed;
};

/* The first walks of `groups` begin; returns the rows of y they have together. */
int32_t sb_start_courses(sb_walk_writer *writer, const sb_bucket_group *groups);

/* Registers from 0, `free` of them: first the y that flip most often, then the sums of the walks.
 * Returns the first one beyond. */
int sb_assign_registers(sb_walk_writer *writer, int free);

/* Up to the walk's next input, or its end; whether there is an input. */
bool sb_approach_input(sb_walk_writer *writer, sb_course *course);

#endif
