/* Cases: what is drawn, run and compared, for one row after the other, and what came of it. */
#ifndef CHECK_CASES_H
#define CHECK_CASES_H

#include "network.h"

enum { CHECK_ROWS = 1024, CHECK_KEPT_FAILURES = 200 };

typedef struct check_options {
    uint64_t seed;
    int32_t cases;            /* of every row */
    const char *kernel, *isa; /* part of a row's name; an instruction set; NULL: all */
    bool verbose;
} check_options;

typedef struct check_failure {
    char row[80], fault[400], words[CHECK_WORDS];
    int32_t index; /* of the case */
} check_failure;

/* skipped: rows that this CPU cannot run. unknown: rows that nobody knows how to draw a case for,
 * and rows that no case has reached. refused: drawn networks that the library does not take. */
typedef struct check_outcome {
    uint64_t cases, values, refused;
    uint32_t rows, skipped;
    uint64_t faults;
    check_failure failures[CHECK_KEPT_FAILURES];
} check_outcome;

/* One case of a row; index: which. */
bool check_case(const check_options *options, const sb_kernel_info *row, int32_t index);

/* All cases of all rows that the options name. */
void check_rows(const check_options *options);

/* Takes instruction sets away, one after the other, and lets the library choose. */
void check_choices(const check_options *options);

const check_outcome *check_came_of_it(void);

/* Whether the options name a row. */
bool check_wanted(const check_options *options, const sb_kernel_info *row);

uint64_t check_seed_of(uint64_t seed, const char *row, int32_t index);

/* The program of a case for an instruction set, or NULL; refused: the library does not take it. */
sb_program *check_program_of(const check_network *network, sb_isa isa, bool *refused);

#endif
