#include "trace.h"

#include <math.h>
#include <stdio.h>

enum { MOST_ITEMS = 1 << 16, MOST_VALUES = 256, MOST_CALLS = 512, MOST_ARENA = 1 << 21 };

typedef struct sb_replayer {
    sb_input *input;
    sb_builder *builder;
    void *kept[16]; /* arrays of one call, each as long as it says: a read past its end is seen */
    int kept_count;
    double elements[MOST_VALUES];
    uint32_t values;
    double work;
} sb_replayer;

static void expect(bool holds, const char *words) {
    if (holds)
        return;
    fprintf(stderr, "trace: %s\n", words);
    abort();
}

static void *keep(sb_replayer *replayer, size_t count, size_t bytes) {
    expect(replayer->kept_count < 16, "room for arrays");
    void *array = malloc(count * bytes);
    expect(array != NULL, "memory for arrays");
    return replayer->kept[replayer->kept_count++] = array;
}

static void drop_all(sb_replayer *replayer) {
    while (replayer->kept_count)
        free(replayer->kept[--replayer->kept_count]);
}

static size_t take_count(sb_replayer *replayer) {
    const int32_t count = sb_take_number(replayer->input);
    return count < 0 || count > MOST_ITEMS ? 0 : (size_t)count;
}

/* Numbers that are all alike in kind; 0: none. One of them may be one that nobody expects. */
static sb_floats take_floats(sb_replayer *replayer) {
    static const float nasty[] = {NAN, INFINITY, -INFINITY, -0.0f, 1e38f, 1e-45f, 0.0f, -1e38f};
    const uint8_t kind = sb_take_byte(replayer->input);
    if (!kind)
        return (sb_floats){NULL, 0};
    const size_t count = take_count(replayer);
    float *numbers = keep(replayer, count, sizeof *numbers);
    for (size_t i = 0; i < count; ++i)
        numbers[i] = (float)((int)((i + kind) % 17) - 8) / 8.0f;
    if (kind >= 128 && count)
        numbers[kind % count] = nasty[kind % 8];
    return (sb_floats){numbers, count};
}

/* A real number each. */
static sb_floats take_list_of_floats(sb_replayer *replayer) {
    const size_t count = take_count(replayer);
    float *numbers = count ? keep(replayer, count, sizeof *numbers) : NULL;
    for (size_t i = 0; i < count; ++i)
        numbers[i] = sb_take_float(replayer->input);
    return (sb_floats){numbers, count};
}

static sb_numbers take_numbers(sb_replayer *replayer) {
    const size_t count = take_count(replayer);
    int32_t *numbers = count ? keep(replayer, count, sizeof *numbers) : NULL;
    for (size_t i = 0; i < count; ++i)
        numbers[i] = sb_take_number(replayer->input);
    return (sb_numbers){numbers, count};
}

/* kind 1: -1, 0, +1; 2: -1, +1; 3: 0, +1; 4: 0 and a sign for every `run` of them; 5: -63..63;
 * 6 and above: any. */
static int8_t code_of(uint8_t kind, unsigned chance, size_t place, size_t run) {
    switch (kind) {
    case 1:
        return (int8_t)((int)(chance % 3) - 1);
    case 2:
        return chance & 1 ? 1 : -1;
    case 3:
        return (int8_t)(chance & 1);
    case 4:
        return (int8_t)((chance & 1) ? 0 : place / run % 2 ? -1 : 1);
    case 5:
        return (int8_t)((int)(chance % 127) - 63);
    default:
        return (int8_t)(chance & 255);
    }
}

static sb_codes take_codes(sb_replayer *replayer) {
    const uint8_t kind = sb_take_byte(replayer->input);
    if (!kind)
        return (sb_codes){NULL, 0};
    unsigned state = sb_take_byte(replayer->input);
    const size_t run = take_count(replayer), count = take_count(replayer);
    int8_t *codes = keep(replayer, count, sizeof *codes);
    for (size_t i = 0; i < count; ++i) {
        state = state * 1664525u + 1013904223u;
        codes[i] = code_of(kind, state >> 16, i, run ? run : 1);
    }
    return (sb_codes){codes, count};
}

static sb_weight_spec take_weight(sb_replayer *replayer, sb_sum_list *sums) {
    sb_input *input = replayer->input;
    sb_weight_spec spec = {.strategy = (sb_strategy)sb_take_number(input)};
    spec.values = take_floats(replayer);
    spec.codes = take_codes(replayer);
    spec.integers = take_codes(replayer);
    spec.scale = take_floats(replayer);
    spec.offset = take_floats(replayer);
    spec.tile.filters = sb_take_number(input);
    spec.tile.vectors = sb_take_number(input);
    spec.tile.chunk = sb_take_number(input);
    spec.tile.mode = (sb_walk_mode)sb_take_number(input);
    spec.tile.generated = sb_take_byte(input) & 1;
    spec.coded_rows = sb_take_byte(input) & 1;
    const sb_numbers order = take_numbers(replayer);
    spec.order = (sb_order){order.data, order.count};
    if (!sb_take_byte(input))
        return spec;
    const sb_numbers starts = take_numbers(replayer), operands = take_numbers(replayer);
    const sb_numbers roles = take_numbers(replayer), segments = take_numbers(replayer);
    if (starts.count != roles.count + 1 || !segments.count)
        return spec; /* counts are the caller's word for how long the arrays are */
    *sums = (sb_sum_list){starts.data, operands.data,  roles.data,        segments.data,
                          roles.count, operands.count, segments.count - 1};
    spec.sums = sums;
    return spec;
}

static sb_epilogue_spec take_epilogue(sb_replayer *replayer) {
    sb_input *input = replayer->input;
    sb_epilogue_spec spec = {.residual = (uint32_t)sb_take_number(input)};
    spec.bias = take_floats(replayer);
    spec.activation = (sb_activation)sb_take_number(input);
    spec.slope = sb_take_float(input);
    spec.low = sb_take_float(input);
    spec.high = sb_take_float(input);
    spec.prelu = take_floats(replayer);
    spec.post_bias = take_floats(replayer);
    spec.residual_scale = sb_take_float(input);
    return spec;
}

static sb_window_spec take_window(sb_replayer *replayer) {
    int32_t window[10];
    for (int i = 0; i < 10; ++i)
        window[i] = sb_take_number(replayer->input);
    return (sb_window_spec){window[0], window[1], window[2], window[3], window[4],
                            window[5], window[6], window[7], window[8], window[9]};
}

static double elements_of(const sb_replayer *replayer, uint32_t value) {
    return value < replayer->values ? replayer->elements[value] : 0;
}

static sb_status add_value(sb_replayer *replayer) {
    sb_input *input = replayer->input;
    sb_value_spec spec = {.channels = sb_take_number(input),
                          .height = sb_take_number(input),
                          .width = sb_take_number(input)};
    spec.place = (sb_place)sb_take_number(input);
    spec.offset_bytes = (size_t)(uint32_t)sb_take_number(input);
    spec.type = (sb_type)sb_take_number(input);
    spec.zero = sb_take_number(input);
    spec.top = sb_take_number(input);
    if (sb_take_byte(input)) {
        int32_t *fields = &spec.layout.lanes;
        for (int i = 0; i < 10; ++i)
            fields[i] = sb_take_number(input);
        spec.layout.fill = sb_take_float(input);
    }
    uint32_t value = SB_NO_VALUE;
    const sb_status status = sb_builder_add_value(replayer->builder, &spec, &value);
    expect((status == SB_OK) == (value != SB_NO_VALUE), "a number for every value, and no other");
    if (status != SB_OK)
        return status;
    expect(value == replayer->values, "values are numbered from 0");
    if (replayer->values == MOST_VALUES)
        return SB_UNSUPPORTED;
    replayer->elements[replayer->values++] = (double)spec.channels * spec.height * spec.width;
    return SB_OK;
}

static sb_status add_conv2d(sb_replayer *replayer) {
    sb_sum_list sums;
    sb_conv2d_spec spec = {.input = (uint32_t)sb_take_number(replayer->input),
                           .output = (uint32_t)sb_take_number(replayer->input)};
    spec.window = take_window(replayer);
    spec.groups = sb_take_number(replayer->input);
    spec.weight = take_weight(replayer, &sums);
    spec.epilogue = take_epilogue(replayer);
    const size_t count =
        spec.weight.values.count + spec.weight.codes.count + spec.weight.integers.count;
    replayer->work += elements_of(replayer, spec.output) * (double)count;
    return sb_builder_add_conv2d(replayer->builder, &spec);
}

static sb_status add_linear(sb_replayer *replayer) {
    sb_sum_list sums;
    sb_linear_spec spec = {.input = (uint32_t)sb_take_number(replayer->input),
                           .output = (uint32_t)sb_take_number(replayer->input)};
    spec.rows = sb_take_number(replayer->input);
    spec.whole_batch = sb_take_byte(replayer->input) & 1;
    spec.weight = take_weight(replayer, &sums);
    spec.epilogue = take_epilogue(replayer);
    const size_t count =
        spec.weight.values.count + spec.weight.codes.count + spec.weight.integers.count;
    replayer->work += elements_of(replayer, spec.output) * (double)count;
    return sb_builder_add_linear(replayer->builder, &spec);
}

/* A window of 0 stands for 1 here: an operation without one ignores it. */
static sb_status add_direct(sb_replayer *replayer) {
    sb_input *input = replayer->input;
    sb_epilogue_spec epilogue;
    sb_direct_spec spec = {.op = sb_direct_name(sb_take_byte(input)),
                           .input = (uint32_t)sb_take_number(input),
                           .output = (uint32_t)sb_take_number(input)};
    spec.window = take_window(replayer);
    spec.scale = take_floats(replayer);
    if (sb_take_byte(input)) {
        epilogue = take_epilogue(replayer);
        spec.epilogue = &epilogue;
    }
    spec.whole = take_numbers(replayer);
    spec.real = take_list_of_floats(replayer);
    spec.table = take_floats(replayer);
    const sb_numbers more = take_numbers(replayer);
    uint32_t *parts = more.count ? keep(replayer, more.count, sizeof *parts) : NULL;
    for (size_t i = 0; i < more.count; ++i)
        parts[i] = (uint32_t)more.data[i];
    spec.more = parts;
    spec.more_count = more.count;
    /* A product of two values reads one of them for every element of the other. */
    const double window = (double)spec.window.kernel_height * spec.window.kernel_width;
    const double other = more.count ? elements_of(replayer, parts[0]) : 1;
    replayer->work +=
        (elements_of(replayer, spec.output) + elements_of(replayer, spec.input)) * (1 + window) +
        elements_of(replayer, spec.input) * other;
    return sb_builder_add_direct(replayer->builder, &spec);
}

static sb_status add_call(sb_replayer *replayer) {
    switch (sb_take_byte(replayer->input) % 4) {
    case 0:
        return add_value(replayer);
    case 1:
        return add_conv2d(replayer);
    case 2:
        return add_linear(replayer);
    default:
        return add_direct(replayer);
    }
}

static sb_status create(sb_input *input, int32_t threads, sb_builder **builder) {
    sb_isa isa;
    if (sb_isa_resolve(sb_isa_name((sb_isa)(sb_take_byte(input) % SB_ISA_COUNT)), &isa) != SB_OK)
        isa = SB_ISA_SCALAR;
    const int32_t asked = sb_take_number(input);
    sb_builder_spec spec = {.isa = isa, .threads = threads ? threads : asked};
    spec.generates = sb_take_byte(input) & 1;
    spec.arena_bytes = (size_t)(uint32_t)sb_take_number(input);
    spec.batch_bytes = (size_t)(uint32_t)sb_take_number(input);
    if (spec.threads > 4 && spec.threads <= SB_MAX_THREADS)
        spec.threads = 4;
    return sb_builder_create(&spec, builder);
}

sb_status sb_build_trace(sb_input *input, int32_t threads, sb_program **program, double *work) {
    sb_replayer replayer = {.input = input};
    sb_status status = create(input, threads, &replayer.builder);
    if (status != SB_OK)
        return status;
    for (int call = 0; status == SB_OK && input->at < input->end && call < MOST_CALLS; ++call) {
        status = add_call(&replayer);
        drop_all(&replayer);
        expect(status == SB_OK || status == SB_UNSUPPORTED || *sb_builder_message(replayer.builder),
               "a call that is refused says why");
    }
    if (status == SB_OK)
        status = sb_builder_finish(replayer.builder, program);
    sb_builder_free(replayer.builder);
    *work = replayer.work;
    return status;
}
