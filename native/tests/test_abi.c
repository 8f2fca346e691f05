/* The C ABI without Python: small networks are built in threads, run from several and freed; calls
 * that are wrong return a status. Exits with the number of failed expectations. */
#include "fuzz/targets.h"
#include <signbin.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

int test_hostile(void); /* test_hostile.c */
int test_normalize(void);
int test_team(void);                /* test_team.c */
int test_planted(const char *name); /* test_planted.c */

static int failures;

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            ++failures;                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
        }                                                                                          \
    } while (0)

enum { CHANNELS = 5, SIZE = 6, PIXELS = SIZE * SIZE, BATCH = 3, THREADS = 4, TAPS = CHANNELS * 9 };
enum { VALUES = CHANNELS * PIXELS };

static const sb_epilogue_spec PLAIN = {.residual = SB_NO_VALUE};

/* x[n][c][y][x] and codes of one sign per filter, by a small congruential generator. */
static unsigned next_number(unsigned *state) {
    return *state = *state * 1664525u + 1013904223u, *state >> 16;
}

static void fill(float *input, int8_t *codes) {
    unsigned state = 1;
    for (int i = 0; i < BATCH * VALUES; ++i)
        input[i] = (float)(next_number(&state) % 256);
    for (int i = 0; i < CHANNELS * TAPS; ++i)
        codes[i] = (int8_t)(next_number(&state) % 3 ? 0 : i / TAPS % 2 ? -1 : 1);
}

/* 3x3, padding 1; whole numbers below 2^24, so that float sums are exact in any order. */
static float reference(const float *image, const int8_t *filter, int p, int q) {
    float sum = 0.0f;
    for (int c = 0; c < CHANNELS; ++c)
        for (int tap = 0; tap < 9; ++tap) {
            const int y = p + tap / 3 - 1, x = q + tap % 3 - 1;
            if (y >= 0 && y < SIZE && x >= 0 && x < SIZE)
                sum += (float)filter[c * 9 + tap] * image[(c * SIZE + y) * SIZE + x];
        }
    return sum;
}

static sb_program *build(sb_isa isa, int32_t threads, const int8_t *codes) {
    const float scale[CHANNELS] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
    const sb_value_spec input = {
        .channels = CHANNELS, .height = SIZE, .width = SIZE, .place = SB_PLACE_INPUT};
    const sb_value_spec output = {
        .channels = CHANNELS, .height = SIZE, .width = SIZE, .place = SB_PLACE_OUTPUT};
    const sb_builder_spec spec = {.isa = isa, .threads = threads};
    const sb_conv2d_spec conv = {
        .input = 0,
        .output = 1,
        .window = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
        .groups = 1,
        .weight = {.strategy = SB_STRATEGY_BUCKET,
                   .codes = {codes, CHANNELS * TAPS},
                   .scale = {scale, CHANNELS},
                   .tile = {4, 2, 2, SB_WALK_DEFAULT, false}},
        .epilogue = PLAIN,
    };
    sb_builder *builder = NULL;
    sb_program *program = NULL;
    uint32_t value;
    EXPECT(sb_builder_create(&spec, &builder) == SB_OK);
    EXPECT(sb_builder_add_value(builder, &input, &value) == SB_OK && value == 0);
    EXPECT(sb_builder_add_value(builder, &output, &value) == SB_OK && value == 1);
    EXPECT(sb_builder_finish(builder, &program) == SB_INVALID_ARGUMENT && !program);
    EXPECT(strlen(sb_builder_message(builder)) > 0);
    EXPECT(sb_builder_add_conv2d(builder, &conv) == SB_OK);
    EXPECT(sb_builder_finish(builder, &program) == SB_OK);
    sb_builder_free(builder);
    return program;
}

typedef struct job {
    const sb_program *program;
    const float *input;
    float output[BATCH * VALUES];
} job;

static void *run(void *argument) {
    job *mine = argument;
    const float *const inputs[] = {mine->input};
    float *const outputs[] = {mine->output};
    for (int i = 0; i < 20; ++i)
        if (sb_program_run(mine->program, inputs, outputs, BATCH, NULL, NULL) != SB_OK)
            mine->output[0] = -1e30f;
    return NULL;
}

static void check_output(const float *input, const int8_t *codes, const float *output) {
    for (int n = 0; n < BATCH; ++n)
        for (int k = 0; k < CHANNELS; ++k)
            for (int i = 0; i < PIXELS; ++i)
                EXPECT(output[n * VALUES + k * PIXELS + i] ==
                       reference(input + n * VALUES, codes + k * TAPS, i / SIZE, i % SIZE));
}

/* The instruction set of the walk over floats that serves where a CPU runs another. */
static sb_isa serving(sb_isa isa) {
    sb_isa last = SB_ISA_SCALAR;
    for (size_t i = 0; i < sb_kernel_count(); ++i) {
        sb_kernel_info row;
        EXPECT(sb_kernel_get(i, &row) == SB_OK);
        const bool walks = row.type == SB_TYPE_F32 && row.strategy == SB_STRATEGY_BUCKET;
        if (walks && row.usable && row.isa <= isa && row.isa > last)
            last = row.isa;
    }
    return last;
}

static void test_network(sb_isa isa, int32_t shares) {
    static float input[BATCH * VALUES];
    static int8_t codes[CHANNELS * TAPS];
    static job jobs[THREADS];
    pthread_t threads[THREADS];
    fill(input, codes);
    sb_program *program = build(isa, shares, codes);
    const char *kernel = strstr(sb_program_step_kernel(program, 0), "__");
    EXPECT(kernel && !strcmp(kernel + 2, sb_isa_name(serving(isa))));
    EXPECT(sb_program_step_kernel(program, 1) == NULL);
    for (int i = 0; i < THREADS; ++i) {
        jobs[i].program = program;
        jobs[i].input = input;
        EXPECT(pthread_create(&threads[i], NULL, run, &jobs[i]) == 0);
    }
    for (int i = 0; i < THREADS; ++i) {
        pthread_join(threads[i], NULL);
        check_output(input, codes, jobs[i].output);
    }
    sb_program_free(program);
}

/* A job that builds its own program, on two threads, while others build theirs. */
static void *build_and_run(void *argument) {
    static int8_t codes[THREADS][CHANNELS * TAPS];
    static float inputs[THREADS][BATCH * VALUES];
    job *mine = argument;
    const size_t place = (size_t)mine->output[0];
    fill(inputs[place], codes[place]);
    for (int i = 0; i < 5; ++i) {
        sb_isa best;
        EXPECT(sb_isa_resolve("auto", &best) == SB_OK);
        sb_program *program = build(i % 2 ? SB_ISA_SCALAR : best, 2, codes[place]);
        mine->program = program;
        mine->input = inputs[place];
        run(mine);
        check_output(inputs[place], codes[place], mine->output);
        sb_program_free(program);
    }
    return NULL;
}

static void test_building_in_threads(void) {
    static job jobs[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; ++i) {
        jobs[i].output[0] = (float)i;
        EXPECT(pthread_create(&threads[i], NULL, build_and_run, &jobs[i]) == 0);
    }
    for (int i = 0; i < THREADS; ++i)
        pthread_join(threads[i], NULL);
}

static void test_wrong_calls(void) {
    sb_isa isa = SB_ISA_SCALAR;
    sb_builder *builder = NULL;
    sb_program *program = NULL;
    sb_kernel_info info;
    size_t bytes;
    float number = 0.0f;
    EXPECT(sb_isa_resolve("portables", &isa) == SB_UNKNOWN_ISA);
    EXPECT(sb_isa_resolve(NULL, &isa) == SB_INVALID_ARGUMENT);
    const sb_builder_spec wrong[] = {
        {.isa = SB_ISA_COUNT, .threads = 1}, {.threads = 0}, {.threads = SB_MAX_THREADS + 1}};
    for (int i = 0; i < 3; ++i)
        EXPECT(sb_builder_create(&wrong[i], &builder) == SB_INVALID_ARGUMENT && !builder);
    EXPECT(sb_builder_create(&(sb_builder_spec){.threads = 1}, NULL) == SB_INVALID_ARGUMENT);
    EXPECT(sb_isa_lanes(SB_ISA_COUNT, SB_TYPE_F32) == 0 &&
           sb_isa_lanes(SB_ISA_SCALAR, SB_TYPE_COUNT) == 0 &&
           sb_isa_lanes(SB_ISA_SCALAR, SB_TYPE_U8) == 1);
    EXPECT(sb_builder_add_conv2d(NULL, NULL) == SB_INVALID_ARGUMENT);
    EXPECT(sb_builder_finish(NULL, &program) == SB_INVALID_ARGUMENT);
    EXPECT(sb_kernel_get(sb_kernel_count(), &info) == SB_INVALID_ARGUMENT);
    EXPECT(sb_program_arena_bytes(NULL, 1, &bytes) == SB_INVALID_ARGUMENT);
    EXPECT(sb_program_run(NULL, (const float *const[]){&number}, (float *const[]){&number}, 1, NULL,
                          NULL) == SB_INVALID_ARGUMENT);
    EXPECT(sb_program_input(NULL, 0) == SB_NO_VALUE && sb_program_output_count(NULL) == 0);
    EXPECT(!strcmp(sb_builder_message(NULL), ""));
    sb_builder_free(NULL);
    sb_program_free(NULL);
}

/* test_abi TARGET FILE...: what a fuzzer of that name found, once more; test_abi planted NAME: a
 * fault made on purpose; else the tests. */
int main(int count, char **arguments) {
    if (count == 3 && !strcmp(arguments[1], "planted"))
        return test_planted(arguments[2]);
    if (count > 1)
        return sb_replay(arguments[1], count - 2, arguments + 2);
    EXPECT(test_team() == 0);
    EXPECT(test_normalize() == 0);
    test_building_in_threads();
    for (int isa = 0; isa < SB_ISA_COUNT; ++isa)
        for (int32_t shares = 1; shares <= 3; ++shares) {
            sb_isa usable;
            if (sb_isa_resolve(sb_isa_name((sb_isa)isa), &usable) == SB_OK)
                test_network(usable, shares);
        }
    test_wrong_calls();
    EXPECT(test_hostile() == 0);
    return failures;
}
