/* Any calls of the builder, in any order, with any numbers: refused with a status and a reason, or
 * a program whose every question has an answer. It is not run. */
#include "targets.h"
#include "trace.h"

#include <stdbool.h>
#include <stdio.h>

static void expect(bool holds, const char *words) {
    if (holds)
        return;
    fprintf(stderr, "builder: %s\n", words);
    abort();
}

static void ask(const sb_program *program) {
    size_t bytes = 0, elements = 0;
    const sb_status status = sb_program_arena_bytes(program, 1, &bytes);
    expect(status == SB_OK || status == SB_OVERFLOW, "the arena has a size");
    expect(sb_program_arena_bytes(program, SIZE_MAX, &bytes) != SB_OK ||
               sb_program_value_count(program) == 0 || bytes != SIZE_MAX,
           "a batch of all memory is refused");
    const size_t steps = sb_program_step_count(program);
    for (size_t step = 0; step < steps; ++step) {
        expect(sb_program_step_kernel(program, step) != NULL, "a step has a kernel");
        (void)sb_program_step_packed_bytes(program, step);
    }
    expect(sb_program_step_kernel(program, steps) == NULL, "there are no more kernels than steps");
    const size_t values = sb_program_value_count(program);
    for (size_t value = 0; value < values; ++value)
        expect(sb_program_value_elements(program, (uint32_t)value, &elements) == SB_OK &&
                   elements > 0 && elements <= SB_MAX_ELEMENTS,
               "a value has elements");
    expect(sb_program_value_elements(program, (uint32_t)values, &elements) != SB_OK,
           "there are no more values");
    for (size_t port = 0; port < sb_program_input_count(program); ++port)
        expect(sb_program_input(program, port) < values, "an input is a value");
    for (size_t port = 0; port < sb_program_output_count(program); ++port)
        expect(sb_program_output(program, port) < values, "an output is a value");
}

int sb_fuzz_builder(const uint8_t *data, size_t size) {
    sb_input input = {data, data + size};
    sb_program *program = NULL;
    double work;
    const sb_status status = sb_build_trace(&input, 1, &program, &work);
    expect((status == SB_OK) == (program != NULL), "a program where all is well, and only there");
    if (program)
        ask(program);
    sb_program_free(program);
    return 0;
}
