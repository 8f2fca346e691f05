#include "program.h"

#include "checked.h"
#include "run.h"

#include <stdlib.h>

enum { SCRATCH_ALIGNMENT = 64 };

void sb_program_free(sb_program *program) {
    if (!program)
        return;
    sb_contents_free(&program->contents);
    sb_team_free(program->team);
    sb_arena_pool_free(program->arenas);
    free(program);
}

size_t sb_program_step_count(const sb_program *program) {
    return program ? program->contents.step_count : 0;
}

const char *sb_program_step_kernel(const sb_program *program, size_t step) {
    if (step >= sb_program_step_count(program))
        return NULL;
    return program->contents.steps[step].kernel->info.name;
}

size_t sb_program_step_packed_bytes(const sb_program *program, size_t step) {
    if (!program || step >= sb_program_step_count(program))
        return 0;
    return program->contents.steps[step].packed_bytes;
}

size_t sb_program_machine_code_bytes(const sb_program *program) {
    return program ? program->contents.machine_code_bytes : 0;
}

sb_status sb_program_value_elements(const sb_program *program, uint32_t value, size_t *elements) {
    if (!elements || value >= sb_program_value_count(program))
        return SB_INVALID_ARGUMENT;
    *elements = program->contents.values[value].elements;
    return SB_OK;
}

size_t sb_program_value_count(const sb_program *program) {
    return program ? program->contents.value_count : 0;
}

size_t sb_program_input_count(const sb_program *program) {
    return program ? program->contents.input_count : 0;
}

size_t sb_program_output_count(const sb_program *program) {
    return program ? program->contents.output_count : 0;
}

uint32_t sb_program_input(const sb_program *program, size_t index) {
    return index < sb_program_input_count(program) ? program->contents.inputs[index] : SB_NO_VALUE;
}

uint32_t sb_program_output(const sb_program *program, size_t index) {
    return index < sb_program_output_count(program) ? program->contents.outputs[index]
                                                    : SB_NO_VALUE;
}

/* Bytes of the values of one image, then of the batch, each rounded up so that what lies behind
 * them is aligned. */
static bool value_bytes(const sb_program *program, size_t batch, size_t *image, size_t *all) {
    size_t size = program->contents.arena_bytes, more = program->contents.batch_bytes;
    if (!sb_checked_add(&size, SCRATCH_ALIGNMENT - 1) || !sb_checked_multiply(&more, batch) ||
        !sb_checked_add(&more, SCRATCH_ALIGNMENT - 1))
        return false;
    *image = size / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
    *all = *image;
    return sb_checked_add(all, more / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT);
}

sb_status sb_program_arena_bytes(const sb_program *program, size_t batch, size_t *bytes) {
    if (!program || !bytes || !batch)
        return SB_INVALID_ARGUMENT;
    size_t image, total;
    for (size_t i = 0; i < program->contents.value_count; ++i)
        if (batch > SIZE_MAX / sizeof(float) / program->contents.values[i].elements)
            return SB_OVERFLOW;
    if (!value_bytes(program, batch, &image, &total) ||
        !sb_checked_add(&total, program->contents.scratch_bytes))
        return SB_OVERFLOW;
    *bytes = total;
    return SB_OK;
}

static bool all_given(const void *const *arrays, size_t count) {
    for (size_t i = 0; arrays && i < count; ++i)
        if (!arrays[i])
            return false;
    return arrays;
}

sb_status sb_program_run(const sb_program *program, const float *const *inputs,
                         float *const *outputs, size_t batch, float *const *copies,
                         double *step_ns) {
    if (!program || !batch ||
        !all_given((const void *const *)inputs, program->contents.input_count) ||
        !all_given((const void *const *)outputs, program->contents.output_count))
        return SB_INVALID_ARGUMENT;
    size_t bytes, image, values;
    if (sb_program_arena_bytes(program, batch, &bytes) != SB_OK ||
        !value_bytes(program, batch, &image, &values))
        return SB_OVERFLOW;
    sb_arena *arena = sb_arena_borrow(program->arenas, bytes);
    if (!arena)
        return SB_OUT_OF_MEMORY;
    char *memory = (char *)arena->data;
    sb_call call = {.contents = &program->contents,
                    .inputs = inputs,
                    .outputs = outputs,
                    .arena = memory,
                    .batch_values = memory + image,
                    .scratch = memory + values,
                    .batch = batch,
                    .copies = copies,
                    .step_ns = step_ns};
    for (size_t i = 0; step_ns && i < program->contents.step_count; ++i)
        step_ns[i] = 0.0;
    if (!program->team || !sb_team_run(program->team, sb_call_run, &call))
        sb_call_run(&call, &(sb_member){NULL, 0, 0, 0});
    sb_arena_give_back(program->arenas, arena);
    return SB_OK;
}
