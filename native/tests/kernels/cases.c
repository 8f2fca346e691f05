#include "cases.h"

#include "draw.h"
#include "guarded_memory.h"
#include "intercept.h"
#include "masks.h"
#include "walks.h"

#include <stdio.h>
#include <string.h>

/* A case that the library refuses, or that misses its row, makes way for the next one. */
enum { ATTEMPTS = 12, CASE_SECONDS = 60, CHOSEN_CASES = 24 };

/* Of a row whose walks are machine code: every case has code of its own. */
enum { GENERATED_CASES = 20 };

static check_outcome outcome;
static check_network network;
static int32_t at_index;

const check_outcome *check_came_of_it(void) {
    return &outcome;
}

static void complain(const char *row, const char *fault) {
    check_failure *failure = &outcome.failures[outcome.faults];
    if (outcome.faults++ >= CHECK_KEPT_FAILURES)
        return;
    snprintf(failure->row, sizeof failure->row, "%s", row);
    snprintf(failure->fault, sizeof failure->fault, "%s", fault);
    snprintf(failure->words, sizeof failure->words, "%s", network.words);
    failure->index = at_index;
    printf("FAILED %s: %s\n       case %d: %s\n", failure->row, failure->fault, at_index,
           failure->words);
}

bool check_wanted(const check_options *options, const sb_kernel_info *row) {
    return (!options->kernel || strstr(row->name, options->kernel)) &&
           (!options->isa || !strcmp(sb_isa_name(row->isa), options->isa));
}

/* FNV-1a of the name, so that a row's cases do not depend on which others run. */
uint64_t check_seed_of(uint64_t seed, const char *row, int32_t index) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *row; ++row)
        hash = (hash ^ (uint8_t)*row) * UINT64_C(0x100000001b3);
    return hash + seed * UINT64_C(0x9e3779b97f4a7c15) +
           (uint64_t)index * UINT64_C(0xd1b54a32d192ed03);
}

sb_program *check_program_of(const check_network *drawn, sb_isa isa, bool *refused) {
    char message[256], fault[CHECK_WORDS];
    sb_status status;
    sb_program *program = check_build(drawn, isa, &status, message);
    *refused = status == SB_UNSUPPORTED || status == SB_OVERFLOW;
    if (!program && !*refused) {
        snprintf(fault, sizeof fault, "no program for %s: %s: %s", sb_isa_name(isa),
                 sb_status_name(status), message);
        complain("check_kernels", fault);
    }
    return program;
}

/* The same on the scalar kernels, of which nothing is watched. */
static bool compute_reference(check_results *expected) {
    bool refused;
    sb_program *program = check_program_of(&network, SB_ISA_SCALAR, &refused);
    const bool computed = program && check_compute(&network, program, expected);
    sb_program_free(program);
    return computed;
}

static void compare(const char *row, const check_results *found, const check_results *expected) {
    char fault[CHECK_WORDS];
    check_compare(&network, found, expected, fault);
    if (fault[0])
        complain(row, fault);
    for (uint32_t i = 0; i < network.value_count; ++i)
        outcome.values += check_elements(&network.values[i].spec) * network.batch;
}

/* Runs the drawn network, watched; false where the library refuses it. */
static bool run_network(const char *row, sb_isa isa, bool walks) {
    check_results expected, found;
    bool refused;
    check_place_arrays(at_index % 2 ? CHECK_AT_START : CHECK_AT_END);
    sb_program *program = check_program_of(&network, isa, &refused);
    if (!program || !compute_reference(&expected)) {
        sb_program_free(program);
        outcome.refused += refused;
        return !refused;
    }
    check_limit_seconds(CASE_SECONDS);
    check_intercept(program, complain);
    if (walks)
        check_walks(program, &network.random, complain);
    if (check_compute(&network, program, &found))
        compare(row, &found, &expected);
    else
        complain(row, "the library does not run the program");
    check_limit_seconds(0);
    check_release();
    sb_program_free(program);
    ++outcome.cases;
    return true;
}

bool check_case(const check_options *options, const sb_kernel_info *row, int32_t index) {
    const uint64_t *calls = &check_counted()->of_row[check_row_of(row->name)];
    const uint64_t before = *calls, faults = outcome.faults;
    at_index = index;
    for (int32_t attempt = 0; attempt < ATTEMPTS; ++attempt) {
        const uint64_t seed = check_seed_of(options->seed, row->name, index * ATTEMPTS + attempt);
        if (!check_draw(row, seed, &network)) {
            complain(row->name, "nobody knows how to draw a case for it: see draw_direct.c");
            return false;
        }
        if (options->verbose)
            printf("%s, case %d: %s\n", row->name, index, network.words);
        if (run_network(row->name, row->isa, true) && (*calls > before || outcome.faults > faults))
            return outcome.faults == faults;
    }
    complain(row->name, "no case has reached it");
    return false;
}

void check_rows(const check_options *options) {
    sb_kernel_info row;
    for (size_t i = 0; sb_kernel_get(i, &row) == SB_OK; ++i) {
        if (!check_wanted(options, &row))
            continue;
        if (!row.usable) {
            ++outcome.skipped;
            continue;
        }
        ++outcome.rows;
        const int32_t cases = options->cases * (row.together ? GENERATED_CASES : 1);
        for (int32_t index = 0; index < cases; ++index)
            if (!check_case(options, &row, index))
                break; /* more of the same says no more */
    }
}

/* ---- what the library chooses ------------------------------------------------------------------
 */

static void expect_choice(sb_isa masked) {
    char fault[CHECK_WORDS];
    sb_isa chosen = SB_ISA_COUNT, best = SB_ISA_SCALAR;
    for (int isa = 0; isa < (int)masked; ++isa)
        if (sb_isa_resolve(sb_isa_name((sb_isa)isa), &chosen) == SB_OK)
            best = (sb_isa)isa;
    if (sb_isa_resolve("auto", &chosen) != SB_OK || chosen != best) {
        snprintf(fault, sizeof fault, "auto is %s, not %s", sb_isa_name(chosen), sb_isa_name(best));
        complain("sb_isa_resolve", fault);
    }
    if (masked < SB_ISA_COUNT && sb_isa_resolve(sb_isa_name(masked), &chosen) != SB_UNSUPPORTED_ISA)
        complain("sb_isa_resolve", "it gives an instruction set that is not there");
}

/* Rows that ran although their instruction set was taken away. */
static void expect_unused(const uint64_t *before) {
    sb_kernel_info row;
    for (size_t i = 0; sb_kernel_get(i, &row) == SB_OK; ++i)
        if (!row.usable && check_counted()->of_row[i] > before[i])
            complain(row.name, "it ran on a CPU without its instruction set");
}

/* Cases of rows drawn at random, of any that the CPU still has. */
static void run_chosen(const check_options *options, sb_isa masked) {
    check_random random = {options->seed + (uint64_t)masked};
    for (int32_t left = CHOSEN_CASES; left;) {
        sb_kernel_info row;
        sb_isa isa;
        const int32_t at = check_between(&random, 0, (int32_t)sb_kernel_count() - 1);
        if (sb_kernel_get((size_t)at, &row) != SB_OK || !row.usable)
            continue;
        at_index = left--;
        if (check_draw(&row, check_next(&random), &network) &&
            sb_isa_resolve("auto", &isa) == SB_OK)
            (void)run_network(row.name, isa, false);
    }
}

void check_choices(const check_options *options) {
    static uint64_t before[CHECK_ROWS];
    for (int isa = SB_ISA_COUNT; isa > SB_ISA_PORTABLE; --isa) {
        sb_isa there;
        check_mask(SB_ISA_COUNT);
        if (isa < SB_ISA_COUNT && sb_isa_resolve(sb_isa_name((sb_isa)isa), &there) != SB_OK)
            continue;
        check_mask((sb_isa)isa);
        memcpy(before, check_counted()->of_row, sb_kernel_count() * sizeof *before);
        expect_choice((sb_isa)isa);
        run_chosen(options, (sb_isa)isa);
        expect_unused(before);
    }
    check_mask(SB_ISA_COUNT);
}
