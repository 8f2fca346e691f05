#include "bench.h"

#include "draw.h"
#include "intercept.h"
#include "machine.h"

#include <stdio.h>
#include <string.h>

/* The largest of so many cases is measured, so many times. */
enum { DRAWN = 8, REPEATS = 200 };

static check_network network;

/* Elements that the step at hand makes. */
static size_t made_by(const check_network *drawn) {
    const check_step *step = &drawn->steps[drawn->checked];
    const uint32_t output = step->kind == CHECK_CONV     ? step->conv.output
                            : step->kind == CHECK_LINEAR ? step->linear.output
                                                         : step->direct.output;
    return check_elements(&drawn->values[output].spec) * drawn->batch;
}

static void ignore(const char *row, const char *fault) {
    (void)row;
    (void)fault;
}

/* The least ticks of a call of this kernel in a program of the network; 0 where there is none. */
static uint64_t least_ticks(sb_isa isa, const char *kernel) {
    check_results results;
    bool refused;
    sb_program *program = check_program_of(&network, isa, &refused);
    if (!program)
        return 0;
    check_measure(kernel ? kernel : sb_program_step_kernel(program, network.checked));
    check_intercept(program, ignore);
    const size_t mark = check_mark_arrays();
    for (int i = 0; i < REPEATS; ++i, check_forget_after(mark))
        (void)check_compute(&network, program, &results);
    check_release();
    sb_program_free(program);
    return check_least_ticks() == UINT64_MAX ? 0 : check_least_ticks();
}

/* The case with the most elements, of those that reach the row. */
static bool draw_largest(const check_options *options, const sb_kernel_info *row) {
    uint64_t best = 0;
    size_t most = 0;
    for (int32_t i = 0; i < DRAWN; ++i) {
        const uint64_t seed = check_seed_of(options->seed, row->name, i);
        bool refused;
        if (!check_draw(row, seed, &network))
            return false;
        sb_program *program = check_program_of(&network, row->isa, &refused);
        if (program && made_by(&network) > most) {
            most = made_by(&network);
            best = seed;
        }
        sb_program_free(program);
    }
    return most && check_draw(row, best, &network);
}

static void measure_row(const check_options *options, const sb_kernel_info *row) {
    if (!draw_largest(options, row))
        return;
    const size_t elements = made_by(&network);
    const uint64_t ticks = least_ticks(row->isa, row->name);
    const uint64_t scalar = row->isa == SB_ISA_SCALAR || row->strategy == SB_STRATEGY_LAYOUT
                                ? 0
                                : least_ticks(SB_ISA_SCALAR, NULL);
    if (!ticks)
        return;
    printf("%-46s %10llu %10.2f", row->name, (unsigned long long)ticks,
           (double)ticks / (double)elements);
    if (scalar)
        printf(" %10llu %8.2f", (unsigned long long)scalar, (double)scalar / (double)ticks);
    printf("\n");
}

int check_bench(const check_options *options) {
    sb_kernel_info row;
    printf("least %s of a call; of an element; of the scalar kernel; times as fast\n",
           check_tick_unit());
    for (size_t i = 0; sb_kernel_get(i, &row) == SB_OK; ++i)
        if (row.usable && check_wanted(options, &row))
            measure_row(options, &row);
    check_measure(NULL);
    return 0;
}
