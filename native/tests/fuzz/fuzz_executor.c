/* What was built is run on any numbers: nothing is touched that is not the program's, and the batch
 * at once, image by image, and on one thread give the same bits. The first byte says where the
 * program comes from: the calls of a trace, or chance. */
#include "../chance.h"
#include "../hostile.h"
#include "targets.h"
#include "trace.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

enum { MOST_BYTES = 1 << 22, MOST_ELEMENTS = 1 << 12, MOST_BATCH = 3 };
static const double MOST_WORK = 1 << 17;

typedef struct sb_ports {
    size_t count;
    size_t elements[SB_MAX_PORTS];
    float *arrays[SB_MAX_PORTS];
} sb_ports;

static void expect(bool holds, const char *words) {
    if (holds)
        return;
    fprintf(stderr, "executor: %s\n", words);
    abort();
}

static sb_program *build(const uint8_t *data, size_t size, uint8_t how, int32_t threads) {
    sb_program *program = NULL;
    double work = 0;
    if (how & 1) {
        sb_chance_of_bytes(data, size);
        (void)sb_hostile_program(how & 2 ? 12 : 1000, 6, threads, &program);
    } else {
        sb_input input = {data, data + size};
        (void)sb_build_trace(&input, threads, &program, &work);
    }
    size_t bytes;
    if (program && (work > MOST_WORK || sb_program_arena_bytes(program, MOST_BATCH, &bytes) ||
                    bytes > MOST_BYTES)) {
        sb_program_free(program);
        return NULL;
    }
    return program;
}

/* Room for a batch of every input or output; false where that is too much. */
static bool make_ports(const sb_program *program, bool inputs, size_t batch, sb_ports *ports) {
    ports->count = inputs ? sb_program_input_count(program) : sb_program_output_count(program);
    for (size_t i = 0; i < ports->count; ++i) {
        const uint32_t value =
            inputs ? sb_program_input(program, i) : sb_program_output(program, i);
        ports->arrays[i] = NULL;
        expect(sb_program_value_elements(program, value, &ports->elements[i]) == SB_OK,
               "a port is a value");
        if (ports->elements[i] <= MOST_ELEMENTS)
            ports->arrays[i] = calloc(batch * ports->elements[i], sizeof(float));
    }
    for (size_t i = 0; i < ports->count; ++i)
        if (!ports->arrays[i])
            return false;
    return true;
}

static void free_ports(sb_ports *ports) {
    for (size_t i = 0; i < ports->count; ++i)
        free(ports->arrays[i]);
}

/* Small numbers, or any bits at all. */
static void fill(sb_ports *ports, size_t batch, uint32_t state, bool any_bits) {
    for (size_t i = 0; i < ports->count; ++i)
        for (size_t e = 0; e < batch * ports->elements[i]; ++e) {
            state = state * 1664525u + 1013904223u;
            const uint32_t bits = state ^ state >> 15;
            ports->arrays[i][e] = (float)(int32_t)(bits % 601) - 300.0f;
            if (any_bits)
                memcpy(&ports->arrays[i][e], &bits, sizeof bits);
        }
}

static sb_status run(const sb_program *program, const sb_ports *inputs, const sb_ports *outputs,
                     size_t first, size_t batch) {
    const float *given[SB_MAX_PORTS];
    float *made[SB_MAX_PORTS];
    for (size_t i = 0; i < inputs->count; ++i)
        given[i] = inputs->arrays[i] + first * inputs->elements[i];
    for (size_t i = 0; i < outputs->count; ++i)
        made[i] = outputs->arrays[i] + first * outputs->elements[i];
    return sb_program_run(program, given, made, batch, NULL, NULL);
}

/* The same bits; a NaN may be any NaN. */
static bool alike(const sb_ports *one, const sb_ports *other, size_t batch) {
    for (size_t i = 0; i < one->count; ++i)
        for (size_t e = 0; e < batch * one->elements[i]; ++e) {
            const float *a = &one->arrays[i][e], *b = &other->arrays[i][e];
            if (memcmp(a, b, sizeof *a) && !(isnan(*a) && isnan(*b)))
                return false;
        }
    return true;
}

/* other: built of the same bytes for one thread, or NULL. */
static void compare(const sb_program *program, const sb_program *other, uint8_t how, size_t batch) {
    sb_ports inputs, once, again;
    const bool fits = make_ports(program, true, batch, &inputs);
    const bool made = make_ports(program, false, batch, &once);
    if (make_ports(program, false, batch, &again) && made && fits) {
        fill(&inputs, batch, how, how & 4);
        const sb_status status = run(program, &inputs, &once, 0, batch);
        expect(status == SB_OK || status == SB_OUT_OF_MEMORY, "what was built runs");
        for (size_t image = 0; status == SB_OK && image < batch; ++image)
            expect(run(other ? other : program, &inputs, &again, image, 1) == SB_OK,
                   "and runs again, an image at a time");
        expect(alike(&once, &again, batch), "a batch and its images have the same bits");
    }
    free_ports(&inputs);
    free_ports(&once);
    free_ports(&again);
}

int sb_fuzz_executor(const uint8_t *data, size_t size) {
    if (size < 3)
        return 0;
    const uint8_t how = data[0];
    /* One in eight: threads that are begun and ended take more time than what they do here. */
    const bool threaded = (how & 56) == 56;
    const size_t batch = 1 + data[1] % MOST_BATCH;
    sb_program *program = build(data + 2, size - 2, how, threaded ? 0 : 1);
    sb_program *other = program && threaded ? build(data + 2, size - 2, how, 1) : NULL;
    if (program)
        compare(program, other, how, batch);
    sb_program_free(program);
    sb_program_free(other);
    return 0;
}
