#include "hostile.h"

#include "chance.h"

#include <math.h>
#include <stdlib.h>

enum { ARENA = 1 << 21, MOST_WEIGHTS = 1 << 17 };

static int32_t any(int32_t low, int32_t high) {
    return sb_chance(low, high);
}

/* The number at `place`, or with a chance of one in `odds` one that nobody expects. */
static void spoil(int32_t *place, int odds) {
    static const int32_t nasty[] = {INT32_MIN, -65536, -1,    0,       1,       2,        7,
                                    255,       256,    65535, 1 << 20, 1 << 28, INT32_MAX};
    if (!any(0, odds - 1))
        *place = nasty[any(0, sizeof nasty / sizeof *nasty - 1)];
}

static float spoilt_float(float number, int odds) {
    static const float nasty[] = {NAN, INFINITY, -INFINITY, 0.0f, -1.0f, 1e38f, 1e-45f, 1e38f};
    return any(0, odds - 1) ? number : nasty[any(0, 7)];
}

typedef struct sb_maker {
    sb_builder *builder;
    sb_isa isa;
    size_t offset;
    int odds;
    int32_t extent;
} sb_maker;

static sb_layout_spec blocks_for(const sb_maker *maker, const sb_value_spec *value) {
    const int32_t lanes = sb_isa_lanes(maker->isa, value->type);
    int32_t across = 1 << any(0, 4);
    across = across > lanes ? lanes : across;
    const int32_t down = lanes / across;
    sb_layout_spec layout = {lanes,
                             down,
                             across,
                             (value->height + down - 1) / down,
                             (value->width + across - 1) / across,
                             any(0, 3),
                             any(0, 3),
                             any(0, 3),
                             any(0, 3),
                             value->channels + any(0, 2),
                             spoilt_float((float)value->zero, maker->odds)};
    int32_t *fields = &layout.lanes;
    for (int i = 0; i < 10; ++i)
        spoil(fields + i, 4 * maker->odds);
    return layout;
}

/* A value of the arena, the batch, or a given place; SB_NO_VALUE where it was refused. */
static uint32_t add_value(sb_maker *maker, const int32_t *shape, sb_type type, sb_place place) {
    sb_value_spec spec = {shape[0], shape[1], shape[2], place, 0, {0}, type, 0, 0};
    uint32_t value = SB_NO_VALUE;
    if (type == SB_TYPE_U8) {
        spec.top = any(0, 1) ? 255 : 127;
        spec.zero = any(0, 1) ? (spec.top + 1) / 2 : 0;
    }
    if (place == SB_PLACE_ARENA || place == SB_PLACE_BATCH) {
        spec.offset_bytes = maker->offset;
        maker->offset += 1 << 18;
    }
    if (place == SB_PLACE_ARENA && any(0, 2))
        spec.layout = blocks_for(maker, &spec);
    int32_t *fields[] = {&spec.channels, &spec.height, &spec.width, &spec.zero, &spec.top};
    for (int i = 0; i < 5; ++i)
        spoil(fields[i], 2 * maker->odds);
    if (!any(0, 4 * maker->odds))
        spec.type = (sb_type)any(-1, 3);
    if (sb_builder_add_value(maker->builder, &spec, &value) != SB_OK)
        return SB_NO_VALUE;
    return value;
}

static float numbers[MOST_WEIGHTS];
static int8_t codes[MOST_WEIGHTS];

static sb_epilogue_spec epilogue_for(const sb_maker *maker, int32_t filters, uint32_t residual) {
    sb_epilogue_spec spec = {.residual = residual,
                             .activation = (sb_activation)any(0, 3),
                             .slope = spoilt_float(0.25f, maker->odds),
                             .low = -1.0f,
                             .high = spoilt_float(1.0f, maker->odds),
                             .residual_scale = spoilt_float(0.5f, maker->odds)};
    if (any(0, 1))
        spec.bias = (sb_floats){numbers, (size_t)filters + !any(0, 2 * maker->odds)};
    if (any(0, 1))
        spec.post_bias = (sb_floats){numbers, (size_t)filters};
    return spec;
}

static sb_weight_spec weight_for(const sb_maker *maker, size_t count, int32_t filters,
                                 sb_type type) {
    sb_weight_spec spec = {.tile = {any(1, 4), any(1, 8), any(1, 40), SB_WALK_DEFAULT, false}};
    const int kind = any(0, 2);
    int32_t *fields = &spec.tile.filters;
    for (size_t i = 0; i < count; ++i)
        codes[i] = (int8_t)(kind == 1 ? any(-63, 63) : any(0, 3) ? 0 : any(-1, 1));
    if (!any(0, maker->odds))
        codes[any(0, (int32_t)count - 1)] = (int8_t)any(-128, 127);
    count += !any(0, 2 * maker->odds);
    if (kind == 0 && type == SB_TYPE_F32)
        spec.values = (sb_floats){numbers, count};
    else if (kind == 1)
        spec.integers = (sb_codes){codes, count};
    else
        spec.codes = (sb_codes){codes, count};
    if (kind == 2 || (kind == 0 && type != SB_TYPE_F32))
        spec.strategy = any(0, 2) ? SB_STRATEGY_BUCKET : (sb_strategy)any(2, 4);
    if (!any(0, 2 * maker->odds))
        spec.strategy = (sb_strategy)any(-1, SB_STRATEGY_COUNT);
    spec.coded_rows = spec.strategy == SB_STRATEGY_TABLE ? any(0, 1) : !any(0, 4 * maker->odds);
    spec.scale = (sb_floats){numbers, (size_t)filters};
    if (any(0, 1))
        spec.offset = spec.scale;
    for (int i = 0; i < 3; ++i)
        spoil(fields + i, 4 * maker->odds);
    if (!any(0, 3))
        spec.tile.mode = (sb_walk_mode)any(-1, 3);
    return spec;
}

static int32_t extent(int32_t in, int32_t kernel, int32_t stride, int32_t before, int32_t after) {
    return (in + before + after - kernel) / stride + 1;
}

/* A window that maps shape[1], shape[2], which it changes; at times another one. */
static sb_window_spec window_for(const sb_maker *maker, int32_t *shape) {
    const int32_t kernel = any(1, 5), stride = any(1, 3);
    const int32_t before = any(0, kernel - 1);
    int32_t after = any(0, kernel - 1);
    while (shape[1] + before + after < kernel || shape[2] + before + after < kernel)
        ++after;
    sb_window_spec window = {kernel, kernel, stride, stride, before, before, after, after, 1, 1};
    shape[1] = extent(shape[1], kernel, stride, before, after);
    shape[2] = extent(shape[2], kernel, stride, before, after);
    int32_t *fields = &window.kernel_height;
    for (int i = 0; i < 10; ++i)
        spoil(fields + i, 8 * maker->odds);
    return window;
}

static sb_status add_layer(sb_maker *maker, uint32_t input, int32_t *shape, sb_type type,
                           sb_type made, uint32_t *output) {
    const int32_t channels = shape[0], filters = any(1, 40);
    int32_t groups = 1;
    const sb_window_spec window = window_for(maker, shape);
    shape[0] = filters;
    *output = add_value(maker, shape, made, SB_PLACE_ARENA);
    spoil(&groups, maker->odds);
    size_t count = (size_t)filters * channels;
    if (window.kernel_height > 0 && window.kernel_height <= 5 && window.kernel_width > 0 &&
        window.kernel_width <= 5)
        count *= (size_t)window.kernel_height * window.kernel_width;
    const sb_conv2d_spec spec = {input,
                                 *output,
                                 window,
                                 groups,
                                 weight_for(maker, count < MOST_WEIGHTS ? count : 1, filters, type),
                                 epilogue_for(maker, filters, SB_NO_VALUE)};
    return sb_builder_add_conv2d(maker->builder, &spec);
}

/* A pool, with a scale where it must not have one and without where it may, at times. */
static sb_status add_pool(sb_maker *maker, uint32_t input, int32_t *shape, sb_type made,
                          uint32_t *output) {
    const sb_window_spec window = window_for(maker, shape);
    const bool average = any(0, 1) != 0;
    int32_t include = any(0, 1);
    *output = add_value(maker, shape, made, SB_PLACE_ARENA);
    spoil(&include, maker->odds);
    sb_direct_spec spec = {.op = average ? "avg_pool2d" : "max_pool2d",
                           .input = input,
                           .output = *output,
                           .window = window,
                           .whole = {&include, average ? 1 : 0}};
    if (average && any(0, 1))
        spec.scale = (sb_floats){numbers, (size_t)shape[0]};
    return sb_builder_add_direct(maker->builder, &spec);
}

static sb_status convert(sb_maker *maker, uint32_t input, uint32_t output, sb_type made,
                         float factor) {
    const sb_direct_spec spec = {.op = made == SB_TYPE_U8 ? "quantize" : "dequantize",
                                 .input = input,
                                 .output = output,
                                 .real = {&factor, 1}};
    return sb_builder_add_direct(maker->builder, &spec);
}

static sb_status add_elementwise(sb_maker *maker, uint32_t input, const int32_t *shape,
                                 uint32_t output) {
    const int32_t channels = shape[0];
    const sb_epilogue_spec epilogue =
        epilogue_for(maker, channels, any(0, 1) ? input : SB_NO_VALUE);
    const sb_direct_spec spec = {.op = "elementwise",
                                 .input = input,
                                 .output = output,
                                 .scale = {numbers, (size_t)channels},
                                 .epilogue = any(0, 3) ? &epilogue : NULL};
    return sb_builder_add_direct(maker->builder, &spec);
}

static sb_status add_subsample(sb_maker *maker, uint32_t input, int32_t *shape, sb_type made,
                               uint32_t *output) {
    const int32_t stride = any(1, 2);
    int32_t around[] = {any(0, 2), any(0, 2)};
    shape[0] += around[0] + around[1];
    shape[1] = extent(shape[1], 1, stride, 0, 0);
    shape[2] = extent(shape[2], 1, stride, 0, 0);
    *output = add_value(maker, shape, made, SB_PLACE_ARENA);
    spoil(&around[0], maker->odds);
    spoil(&around[1], maker->odds);
    const sb_direct_spec spec = {.op = "subsample_pad",
                                 .input = input,
                                 .output = *output,
                                 .window = {1, 1, stride, stride, 0, 0, 0, 0, 1, 1},
                                 .whole = {around, 2}};
    return sb_builder_add_direct(maker->builder, &spec);
}

/* Rows and columns by tables, a few of them spoilt; at times in blocks. */
static sb_status add_resampled(sb_maker *maker, uint32_t input, int32_t *shape, sb_type made,
                               uint32_t *output) {
    int32_t whole[4 + 4 * SB_HOSTILE_EXTENT] = {1, 1, 1, 1};
    const int32_t height = shape[1], width = shape[2];
    float fill = (float)any(-1, 40);
    if (shape[0] % 4 == 0 && any(0, 1)) {
        whole[0] = whole[1] = 2;
        shape[0] /= 4;
    }
    shape[1] = any(1, 2 * maker->extent);
    shape[2] = any(1, 2 * maker->extent);
    for (int32_t i = 0; i < shape[1] + shape[2]; ++i) {
        whole[4 + i] = any(-1, (i < shape[1] ? height : width) * whole[0] - 1);
        spoil(&whole[4 + i], 40 * maker->odds);
    }
    *output = add_value(maker, shape, made, SB_PLACE_ARENA);
    for (int i = 0; i < 4; ++i)
        spoil(&whole[i], 4 * maker->odds);
    fill = spoilt_float(fill < 0.0f ? 0.0f : fill, maker->odds);
    const size_t count = 4 + (size_t)shape[1] + (size_t)shape[2] - !any(0, 4 * maker->odds);
    const sb_direct_spec spec = {.op = "resample",
                                 .input = input,
                                 .output = *output,
                                 .whole = {whole, count},
                                 .real = {&fill, 1}};
    return sb_builder_add_direct(maker->builder, &spec);
}

/* Between rows and columns, a few places and shares of them spoilt. */
static sb_status add_blended(sb_maker *maker, uint32_t input, int32_t *shape, sb_type made,
                             uint32_t *output) {
    int32_t whole[2 * (2 * SB_HOSTILE_EXTENT + 2 * SB_HOSTILE_EXTENT)];
    const int32_t height = shape[1], width = shape[2];
    const int32_t parts = made == SB_TYPE_U8 ? 1 << 11 : 1 << 24;
    shape[1] = any(1, 2 * maker->extent);
    shape[2] = any(1, 2 * maker->extent);
    const int32_t count = shape[1] + shape[2];
    for (int32_t i = 0; i < count; ++i) {
        whole[i] = any(0, (i < shape[1] ? height : width) - 1);
        whole[count + i] = any(0, parts);
        spoil(&whole[i], 40 * maker->odds);
        spoil(&whole[count + i], 40 * maker->odds);
    }
    *output = add_value(maker, shape, made, SB_PLACE_ARENA);
    const sb_direct_spec spec = {.op = "blend",
                                 .input = input,
                                 .output = *output,
                                 .whole = {whole, 2 * (size_t)count - !any(0, 4 * maker->odds)}};
    return sb_builder_add_direct(maker->builder, &spec);
}

/* Channels by their places, a few of them spoilt. */
static sb_status add_taken(sb_maker *maker, uint32_t input, int32_t *shape, sb_type made,
                           uint32_t *output) {
    int32_t whole[3 + 32] = {1, shape[0], shape[1] * shape[2]};
    const int32_t channels = shape[0];
    shape[0] = any(1, 32);
    for (int32_t i = 0; i < shape[0]; ++i) {
        whole[3 + i] = any(0, channels - 1);
        spoil(&whole[3 + i], 40 * maker->odds);
    }
    *output = add_value(maker, shape, made, SB_PLACE_ARENA);
    for (int i = 0; i < 3; ++i)
        spoil(&whole[i], 4 * maker->odds);
    const sb_direct_spec spec = {.op = "take",
                                 .input = input,
                                 .output = *output,
                                 .whole = {whole, 3 + (size_t)shape[0] - !any(0, 4 * maker->odds)}};
    return sb_builder_add_direct(maker->builder, &spec);
}

/* A step behind `input`; *output and shape are its result. */
static sb_status add_step(sb_maker *maker, uint32_t input, int32_t *shape, sb_type *type,
                          uint32_t *output) {
    const sb_type made = any(0, 4) ? *type : (sb_type)any(0, 1), was = *type;
    *type = made;
    switch (any(0, 7)) {
    case 0:
    case 1:
        return add_layer(maker, input, shape, was, made, output);
    case 2:
        return add_pool(maker, input, shape, made, output);
    case 3:
        *output = add_value(maker, shape, made, SB_PLACE_ARENA);
        return was == made ? add_elementwise(maker, input, shape, *output)
                           : convert(maker, input, *output, made, spoilt_float(0.5f, maker->odds));
    case 4:
        return add_resampled(maker, input, shape, made, output);
    case 5:
        return add_blended(maker, input, shape, made, output);
    case 6:
        return add_taken(maker, input, shape, made, output);
    default:
        return add_subsample(maker, input, shape, made, output);
    }
}

sb_status sb_hostile_program(int odds, int32_t extent, int32_t threads, sb_program **program) {
    sb_maker maker = {NULL, SB_ISA_SCALAR, 0, odds, extent};
    if (numbers[0] == 0.0f)
        for (int i = 0; i < MOST_WEIGHTS; ++i)
            numbers[i] = (float)(i % 17 - 8) / 8.0f;
    int32_t shape[3] = {any(1, extent + extent / 2), any(1, extent), any(1, extent)};
    sb_isa isa = (sb_isa)any(0, SB_ISA_COUNT - 1);
    if (sb_isa_resolve(sb_isa_name(isa), &maker.isa) != SB_OK)
        maker.isa = SB_ISA_SCALAR;
    const int32_t asked = any(1, 3);
    const sb_builder_spec spec = {
        .isa = maker.isa, .arena_bytes = ARENA, .threads = threads ? threads : asked};
    sb_status status = sb_builder_create(&spec, &maker.builder);
    if (status != SB_OK)
        return status;
    sb_type type = (sb_type)any(0, 1);
    uint32_t last = add_value(&maker, shape, SB_TYPE_F32, SB_PLACE_INPUT), next;
    if (type == SB_TYPE_U8) {
        next = add_value(&maker, shape, type, SB_PLACE_ARENA);
        status = convert(&maker, last, next, type, 0.5f);
        last = next;
    }
    for (int i = any(0, 3); i && status == SB_OK; --i, last = next)
        status = add_step(&maker, last, shape, &type, &next);
    next = add_value(&maker, shape, SB_TYPE_F32, SB_PLACE_OUTPUT);
    if (status == SB_OK && type == SB_TYPE_U8)
        status = convert(&maker, last, next, SB_TYPE_F32, 0.5f);
    else if (status == SB_OK)
        status = sb_builder_add_direct(
            maker.builder, &(sb_direct_spec){.op = "flatten", .input = last, .output = next});
    if (status == SB_OK)
        status = sb_builder_finish(maker.builder, program);
    sb_builder_free(maker.builder);
    return status;
}
