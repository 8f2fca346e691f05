#include "draw.h"

#include <math.h>
#include <string.h>

/* ---- numbers -------------------------------------------------------------------------------- */

typedef enum numbers { RANDOM, BOUNDARY, WHOLE, EXTREME, NUMBERS } numbers;
static const char *const NAMES[NUMBERS] = {"random", "boundary", "whole", "extreme"};

float *check_draw_floats(check_random *random, size_t count, float least, float most) {
    float *drawn = check_take(count, sizeof *drawn);
    for (size_t i = 0; i < count; ++i)
        drawn[i] = least + (most - least) * (check_real(random) + 1.0f) / 2.0f;
    return drawn;
}

/* A number before it becomes a code: ties, both ends and beyond. */
static float draw_code(check_random *random, numbers kind, const check_shape *shape) {
    const int32_t code = check_between(random, 0, shape->top) - shape->zero;
    switch (kind) {
    case BOUNDARY:
        return (float)(code + check_between(random, -3, 3)) +
               0.5f * (float)check_between(random, 0, 1);
    case WHOLE:
        return check_chance(random, 60) ? 0.0f : (float)code;
    case EXTREME:
        return check_chance(random, 95) ? (float)(shape->top - shape->zero) : (float)-shape->zero;
    default:
        return (float)code + 0.4f * check_real(random);
    }
}

static float draw_float(check_random *random, numbers kind, bool odd) {
    static const float boundaries[] = {0.0f,    -0.0f,  1.0f,   -1.0f,   0.5f,     -0.5f,    1e-42f,
                                       -1e-42f, 1e-38f, 1e-20f, 1024.0f, 65504.0f, -65504.0f};
    static const float odds[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 89.0f, -104.0f};
    enum { COUNT = sizeof boundaries / sizeof *boundaries, ODDS = sizeof odds / sizeof *odds };
    switch (kind) {
    case BOUNDARY:
        if (odd && check_chance(random, 20))
            return odds[check_between(random, 0, ODDS - 1)];
        return boundaries[check_between(random, 0, COUNT - 1)];
    case WHOLE:
        return (float)check_between(random, -255, 255);
    case EXTREME:
        return check_chance(random, 95) ? 255.0f : -255.0f;
    default:
        return 3.0f * check_real(random);
    }
}

static const float *draw_input(check_network *network, const check_shape *shape, bool odd) {
    check_random *random = &network->random;
    const numbers kind = (numbers)check_between(random, 0, NUMBERS - 1);
    const size_t count =
        (size_t)shape->channels * (size_t)shape->height * (size_t)shape->width * network->batch;
    float *drawn = check_take(count, sizeof *drawn);
    for (size_t i = 0; i < count; ++i)
        drawn[i] = shape->type == SB_TYPE_U8 ? draw_code(random, kind, shape)
                                             : draw_float(random, kind, odd);
    check_say(network, " %s", NAMES[kind]);
    return drawn;
}

/* ---- values --------------------------------------------------------------------------------- */

void check_draw_codes(check_random *random, check_shape *shape) {
    static const int32_t tops[] = {255, 255, 127, 15, 1};
    shape->zero = shape->top = 0;
    if (shape->type == SB_TYPE_F32)
        return;
    shape->top = tops[check_between(random, 0, 4)];
    shape->zero = check_chance(random, 40) ? 0 : check_between(random, 0, shape->top);
}

check_layout check_draw_layout(check_network *network, const check_shape *shape) {
    check_random *random = &network->random;
    check_layout layout = {.under = -1, .in_lanes = check_chance(random, 75)};
    int32_t *const halo[] = {&layout.top, &layout.bottom, &layout.left, &layout.right};
    for (int i = 0; i < 4; ++i)
        *halo[i] = check_chance(random, 50) ? check_between(random, 0, 3) : 0;
    layout.more = check_chance(random, 30) ? check_between(random, 1, 3) : 0;
    layout.fill = (float)shape->zero;
    return layout;
}

static sb_value_spec spec_of(const check_shape *shape, sb_place place) {
    return (sb_value_spec){.channels = shape->channels,
                           .height = shape->height,
                           .width = shape->width,
                           .place = place,
                           .type = shape->type,
                           .zero = shape->zero,
                           .top = shape->top};
}

/* A step from a value to another, and the factor that it takes. */
static void add_conversion(check_network *network, const char *op, uint32_t input, uint32_t output,
                           const float *factor) {
    check_step *step = check_add_step(network, CHECK_DIRECT);
    step->direct = (sb_direct_spec){.op = op, .input = input, .output = output};
    if (factor)
        step->direct.real = (sb_floats){factor, 1};
}

/* The same numbers in lanes, where they are images, now and then; blocks: those of a value. */
static uint32_t lay_out(check_network *network, uint32_t input, const check_layout *blocks) {
    check_random *random = &network->random;
    const sb_value_spec given = network->values[input].spec;
    check_shape shape = {given.channels, given.height, given.width, SB_TYPE_F32, 0, 0};
    check_layout layout = *blocks;
    layout.fill = 0.0f;
    layout.in_lanes = true;
    if (!check_chance(random, 40))
        return input;
    const sb_value_spec held = spec_of(&shape, SB_PLACE_ARENA);
    const uint32_t value = check_add_value(network, &held, &layout);
    add_conversion(network, check_chance(random, 50) ? "elementwise" : "flatten", input, value,
                   NULL);
    return value;
}

uint32_t check_draw_operand(check_network *network, const check_shape *shape,
                            const check_layout *layout, bool whole_batch, bool odd) {
    check_random *random = &network->random;
    check_shape plain = *shape;
    plain.type = SB_TYPE_F32;
    plain.zero = plain.top = 0;
    const sb_value_spec given = spec_of(&plain, SB_PLACE_INPUT);
    uint32_t input = check_add_value(network, &given, NULL);
    network->inputs[input] = draw_input(network, shape, odd);
    if (shape->type == SB_TYPE_F32 && (whole_batch || !layout->in_lanes))
        return input;
    if (shape->type == SB_TYPE_U8 && !whole_batch)
        input = lay_out(network, input, layout);
    const sb_value_spec held = spec_of(shape, whole_batch ? SB_PLACE_BATCH : SB_PLACE_ARENA);
    const uint32_t value = check_add_value(network, &held, whole_batch ? NULL : layout);
    float *factor = check_take(1, sizeof *factor);
    *factor = 1.0f;
    if (shape->type == SB_TYPE_U8)
        add_conversion(network, "quantize", input, value, factor);
    else
        add_conversion(network, check_chance(random, 50) ? "elementwise" : "flatten", input, value,
                       NULL);
    return value;
}

uint32_t check_draw_target(check_network *network, const check_shape *shape,
                           const check_layout *layout, bool whole_batch) {
    const bool direct = shape->type == SB_TYPE_F32 && (whole_batch || !layout->in_lanes);
    const sb_place place = direct ? SB_PLACE_OUTPUT : whole_batch ? SB_PLACE_BATCH : SB_PLACE_ARENA;
    const sb_value_spec spec = spec_of(shape, place);
    return check_add_value(network, &spec, place == SB_PLACE_ARENA ? layout : NULL);
}

void check_return(check_network *network, uint32_t value) {
    const sb_value_spec spec = network->values[value].spec;
    const check_layout layout = network->values[value].layout;
    if (spec.place == SB_PLACE_OUTPUT)
        return;
    const check_shape shape = {spec.channels, spec.height, spec.width, SB_TYPE_F32, 0, 0};
    const sb_value_spec returned = spec_of(&shape, SB_PLACE_OUTPUT);
    const bool codes = spec.type == SB_TYPE_U8;
    if (codes && spec.place == SB_PLACE_ARENA && check_chance(&network->random, 30)) {
        const sb_value_spec numbers = spec_of(&shape, SB_PLACE_ARENA);
        check_layout lanes = layout;
        lanes.fill = 0.0f;
        lanes.in_lanes = true;
        lanes.under = -1;
        const uint32_t between = check_add_value(network, &numbers, &lanes);
        add_conversion(network, "dequantize", value, between,
                       check_draw_floats(&network->random, 1, 0.1f, 2.0f));
        add_conversion(network, "flatten", between, check_add_value(network, &returned, NULL),
                       NULL);
        return;
    }
    add_conversion(network, codes ? "dequantize" : "flatten", value,
                   check_add_value(network, &returned, NULL),
                   codes ? check_draw_floats(&network->random, 1, 0.1f, 2.0f) : NULL);
}

/* ---- what follows a sum ---------------------------------------------------------------------- */

/* unit: as large as outputs are. */
static void draw_activation(check_random *random, size_t channels, float unit,
                            sb_epilogue_spec *epilogue) {
    epilogue->activation = (sb_activation)check_between(random, 0, 3);
    epilogue->slope = check_real(random);
    epilogue->low = -unit * (1.0f + check_real(random)) / 2.0f;
    epilogue->high = unit * (1.0f + check_real(random)) / 2.0f;
    if (epilogue->activation == SB_ACTIVATION_LEAKY_RELU && check_chance(random, 50))
        epilogue->prelu = (sb_floats){check_draw_floats(random, channels, -1.0f, 1.0f), channels};
}

void check_draw_epilogue(check_network *network, const check_shape *made, sb_type type,
                         bool whole_batch, bool residual, sb_epilogue_spec *epilogue) {
    check_random *random = &network->random;
    const size_t channels = (size_t)made->channels;
    const float unit = made->type == SB_TYPE_U8 ? (float)made->top : 4.0f;
    epilogue->residual = SB_NO_VALUE;
    epilogue->residual_scale = 0.3f + 0.2f * check_real(random);
    if (check_chance(random, 50))
        epilogue->bias = (sb_floats){check_draw_floats(random, channels, -unit, unit), channels};
    draw_activation(random, channels, unit, epilogue);
    if (check_chance(random, 30))
        epilogue->post_bias =
            (sb_floats){check_draw_floats(random, channels, -unit / 4, unit / 4), channels};
    if (!residual || !check_chance(random, 40))
        return;
    check_shape added = *made;
    added.type = type;
    check_draw_codes(random, &added);
    const check_layout layout = check_draw_layout(network, &added);
    epilogue->residual = check_draw_operand(network, &added, &layout, whole_batch, false);
}

/* ---- the row's family ------------------------------------------------------------------------ */

bool check_draw(const sb_kernel_info *row, uint64_t seed, check_network *network) {
    check_forget_arrays();
    *network = (check_network){.random = {seed}, .batch = 1, .tolerance = 1e-4f};
    for (int i = 0; i < 3; ++i)
        (void)check_next(&network->random);
    if (row->strategy == SB_STRATEGY_DIRECT || row->strategy == SB_STRATEGY_LAYOUT)
        return check_draw_direct(row, network) || check_draw_rows(row, network);
    if (strstr(row->op, "linear"))
        check_draw_linear(row, network);
    else
        check_draw_conv2d(row, network);
    return true;
}
