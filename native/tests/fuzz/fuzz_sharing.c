/* Sums that share sums. Any members are turned into a list of sums, which is written out again and
 * must say the same; then a layer is built of the list, at times with one number changed: refused,
 * or its sums are those of the list. */
#include "input.h"
#include "targets.h"

#include <signbin_sharing.h>

#include <stdbool.h>
#include <stdio.h>

enum { MOST_INPUTS = 20, MOST_TARGETS = 70, MOST_NODES = 2048, ROWS = 2 };

typedef struct sb_case {
    sb_sharing_spec spec;
    int8_t codes[MOST_TARGETS * MOST_INPUTS];  /* [targets][inputs] */
    int8_t digits[MOST_TARGETS * MOST_INPUTS]; /* what is summed: 0 and 1 where no code is +1 */
    uint64_t plus[MOST_INPUTS * 2], minus[MOST_INPUTS * 2];
} sb_case;

static void expect(bool holds, const char *words) {
    if (holds)
        return;
    fprintf(stderr, "sharing: %s\n", words);
    abort();
}

static void set_digit(sb_case *one, size_t target, size_t input, int digit, size_t words) {
    const uint64_t bit = UINT64_C(1) << target % 64;
    one->digits[target * (size_t)one->spec.inputs + input] = (int8_t)digit;
    one->plus[input * words + target / 64] |= digit > 0 ? bit : 0;
    one->minus[input * words + target / 64] |= digit < 0 ? bit : 0;
}

/* Bits of the input as they come, or where they are few a pattern that repeats them. */
static void take_case(sb_input *input, sb_case *one) {
    sb_sharing_spec *spec = &one->spec;
    const uint8_t flags = sb_take_byte(input);
    spec->inputs = 1 + sb_take_byte(input) % MOST_INPUTS;
    spec->targets = 1 + sb_take_byte(input) % MOST_TARGETS;
    spec->leaves = flags & 1;
    spec->budget = flags & 2 ? sb_take_byte(input) : 1 << 20;
    const size_t words = ((size_t)spec->targets + 63) / 64;
    spec->plus = one->plus;
    spec->minus = flags & 4 ? one->minus : NULL;
    const uint8_t *const begin = input->at;
    for (size_t t = 0; t < (size_t)spec->targets; ++t) {
        int8_t *codes = one->codes + t * (size_t)spec->inputs;
        bool adds = false;
        for (size_t i = 0; i < (size_t)spec->inputs; ++i) {
            if (input->at == input->end)
                input->at = begin;
            const uint8_t byte = sb_take_byte(input);
            codes[i] = (int8_t)(flags & 4 ? byte % 3 - 1 : byte & 1);
            adds |= codes[i] > 0;
        }
        for (size_t i = 0; i < (size_t)spec->inputs; ++i)
            set_digit(one, t, i, adds ? codes[i] : -codes[i], words);
    }
}

/* The sum of node `n` over inputs 1, 3, 9 .. of `row`, all nodes before it known. */
static int64_t sum_of(const int32_t *starts, const int32_t *operands, size_t n, int32_t inputs,
                      const int64_t *given, const int64_t *nodes) {
    int64_t sum = 0;
    for (int32_t o = starts[n]; o < starts[n + 1]; ++o) {
        const int32_t index = operands[o] >> 1;
        const int64_t value = index < inputs ? given[index] : nodes[index - inputs];
        sum += operands[o] & 1 ? -value : value;
    }
    return sum;
}

static void check_sums(const sb_case *one, const sb_sharing *found) {
    static int64_t nodes[MOST_NODES];
    int64_t given[MOST_INPUTS];
    const size_t inputs = (size_t)one->spec.inputs;
    for (size_t i = 0; i < inputs; ++i)
        given[i] = (int64_t)(i * i * i * 7919 + i * 104729 + 1);
    expect(found->nodes == found->temporaries + (size_t)one->spec.targets, "a node per target");
    expect(found->nodes <= MOST_NODES, "pairs are fewer than members");
    for (size_t n = 0; n < found->nodes; ++n) {
        for (int32_t o = found->starts[n]; o < found->starts[n + 1]; ++o)
            expect(found->operands[o] >= 0 && found->operands[o] >> 1 < (int32_t)(inputs + n),
                   "a node uses what is before it");
        nodes[n] = sum_of(found->starts, found->operands, n, (int32_t)inputs, given, nodes);
    }
    for (size_t t = 0; t < (size_t)one->spec.targets; ++t) {
        int64_t expected = 0;
        for (size_t i = 0; i < inputs; ++i)
            expected += one->digits[t * inputs + i] * given[i];
        expect(nodes[found->temporaries + t] == expected, "a target is the sum of its members");
    }
}

/* x -> linear of shared sums -> y. NULL where it is refused. */
static sb_program *build_layer(const sb_case *one, const sb_sum_list *list, sb_tile_spec tile) {
    static float scale[MOST_TARGETS];
    sb_isa isa;
    sb_builder *builder = NULL;
    sb_program *program = NULL;
    uint32_t x, y;
    for (int i = 0; i < MOST_TARGETS; ++i)
        scale[i] = 1.0f;
    expect(sb_isa_resolve("auto", &isa) == SB_OK, "there is an instruction set");
    const sb_builder_spec spec = {.isa = isa, .threads = 1};
    if (sb_builder_create(&spec, &builder) != SB_OK)
        return NULL;
    const size_t filters = (size_t)one->spec.targets;
    const sb_value_spec given = {one->spec.inputs, 1, 1, SB_PLACE_INPUT, 0, {0}, 0, 0, 0};
    const sb_value_spec made = {one->spec.targets, 1, 1, SB_PLACE_OUTPUT, 0, {0}, 0, 0, 0};
    sb_linear_spec layer = {.rows = 1, .whole_batch = true};
    layer.weight = (sb_weight_spec){.strategy = SB_STRATEGY_SUMS, .tile = tile, .sums = list};
    layer.weight.codes = (sb_codes){one->codes, filters * (size_t)one->spec.inputs};
    layer.weight.scale = (sb_floats){scale, filters};
    layer.epilogue.residual = SB_NO_VALUE;
    if (sb_builder_add_value(builder, &given, &x) == SB_OK &&
        sb_builder_add_value(builder, &made, &y) == SB_OK) {
        layer.input = x;
        layer.output = y;
        if (sb_builder_add_linear(builder, &layer) == SB_OK)
            (void)sb_builder_finish(builder, &program);
    }
    sb_builder_free(builder);
    return program;
}

/* Small whole numbers, so that floats add them exactly in any order. honest: the list is one of the
 * layer's codes, so that its sums are theirs. */
static void run_layer(const sb_case *one, const sb_program *program, bool honest) {
    static float x[ROWS * MOST_INPUTS], y[ROWS * MOST_TARGETS];
    const size_t inputs = (size_t)one->spec.inputs, targets = (size_t)one->spec.targets;
    for (size_t i = 0; i < ROWS * inputs; ++i)
        x[i] = (float)(i * 37 % 101) - 50.0f;
    const float *const given[] = {x};
    float *const made[] = {y};
    if (sb_program_run(program, given, made, ROWS, NULL, NULL) != SB_OK || !honest)
        return;
    for (size_t row = 0; row < ROWS; ++row)
        for (size_t t = 0; t < targets; ++t) {
            float expected = 0;
            for (size_t i = 0; i < inputs; ++i)
                expected += one->codes[t * inputs + i] * x[row * inputs + i];
            expect(y[row * targets + t] == expected, "a layer of shared sums has its codes' sums");
        }
}

/* Changes one number of the list, or of none. */
static bool spoil(sb_input *input, int32_t *const *arrays, const size_t *counts) {
    const uint8_t which = sb_take_byte(input);
    if (!which)
        return false;
    const size_t array = which % 4;
    const uint32_t place = sb_take_byte(input) | (uint32_t)sb_take_byte(input) << 8;
    if (!counts[array])
        return false;
    arrays[array][place % counts[array]] = sb_take_number(input);
    return true;
}

static int32_t *copied(const int32_t *numbers, size_t count) {
    int32_t *copy = malloc((count ? count : 1) * sizeof *copy);
    expect(copy != NULL, "memory for a copy");
    if (numbers)
        memcpy(copy, numbers, count * sizeof *copy);
    return copy;
}

/* Filters without members have no node: what is left of the list is in one segment. */
static void use_list(sb_input *input, const sb_case *one, const sb_sharing *found) {
    size_t nodes = 0, operands = (size_t)found->starts[found->nodes];
    int32_t *starts = copied(found->starts, found->nodes + 1);
    int32_t *terms = copied(found->operands, operands);
    int32_t *roles = copied(NULL, found->nodes);
    for (size_t n = 0; n < found->nodes; ++n) {
        if (found->starts[n] == found->starts[n + 1])
            continue;
        starts[nodes] = found->starts[n];
        roles[nodes++] = n < found->temporaries ? -1 : (int32_t)(n - found->temporaries);
    }
    starts[nodes] = (int32_t)operands;
    int32_t ends[] = {0, (int32_t)nodes};
    int32_t *segments = copied(ends, 2);
    int32_t *const arrays[] = {starts, terms, roles, segments};
    const size_t counts[] = {nodes + 1, operands, nodes, 2};
    const sb_tile_spec tile = {1, 1 + sb_take_byte(input) % 4, 1, SB_WALK_TWO_GROUPS, false};
    const bool once = spoil(input, arrays, counts), twice = spoil(input, arrays, counts);
    const sb_sum_list list = {starts, terms, roles, segments, nodes, operands, nodes ? 1 : 0};
    sb_program *program = build_layer(one, &list, tile);
    if (program)
        run_layer(one, program, !once && !twice);
    sb_program_free(program);
    free(starts);
    free(roles);
    free(terms);
    free(segments);
}

int sb_fuzz_sharing(const uint8_t *data, size_t size) {
    sb_case one = {.spec = {0}};
    sb_input input = {data, data + (size > 6 ? size - 6 : 0)};
    sb_input ending = {input.end, data + size};
    sb_sharing *found = NULL;
    take_case(&input, &one);
    const sb_status status = sb_sharing_create(&one.spec, &found);
    expect((status == SB_OK) == (found != NULL), "a list where all is well, and only there");
    if (!found)
        return 0;
    check_sums(&one, found);
    use_list(&ending, &one, found);
    sb_sharing_free(found);
    return 0;
}
