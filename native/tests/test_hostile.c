/* Random programs, most of them with one number spoilt: every call returns a status, whatever it is
 * given, and what is built runs without touching memory it does not own (the sanitizers see to
 * that). Codes and float32, every kind of step, plain and lane-blocked values. */
#include "hostile.h"

#include "chance.h"

#include <math.h>
#include <stdio.h>

enum { ROUNDS = 1500, MOST_ELEMENTS = 1 << 14 };

int test_hostile(void);

static void run(sb_program *program) {
    static const float nasty[] = {NAN, INFINITY, -INFINITY, 1e38f, 1e-45f};
    static float input[2 * MOST_ELEMENTS], output[2 * MOST_ELEMENTS];
    size_t bytes, given, made;
    if (sb_program_arena_bytes(program, 2, &bytes) != SB_OK || bytes > 64u << 20 ||
        sb_program_value_elements(program, sb_program_input(program, 0), &given) != SB_OK ||
        sb_program_value_elements(program, sb_program_output(program, 0), &made) != SB_OK ||
        given > MOST_ELEMENTS || made > MOST_ELEMENTS)
        return;
    for (size_t i = 0; i < 2 * given; ++i)
        input[i] = sb_chance(0, 49) ? (float)sb_chance(-300, 300) : nasty[sb_chance(0, 4)];
    const float *const inputs[] = {input};
    float *const outputs[] = {output};
    (void)sb_program_run(program, inputs, outputs, 2, NULL, NULL);
}

/* Whether it was built. */
static int round_of(int odds) {
    sb_program *program = NULL;
    const sb_status status = sb_hostile_program(odds, SB_HOSTILE_EXTENT, 0, &program);
    if (status == SB_OK)
        run(program);
    sb_program_free(program);
    return status == SB_OK;
}

/* Failed expectations: that some programs are sound and many are not. */
int test_hostile(void) {
    int built = 0;
    sb_chance_of_seed(7);
    for (int i = 0; i < ROUNDS; ++i)
        built += round_of(i % 2 ? 1000 : 12);
    printf("%d programs drawn, %d of them built and run\n", ROUNDS, built);
    return built < ROUNDS / 5 || built > ROUNDS * 9 / 10;
}
