/* Runs one layer as it is described on standard input and prints how many vector additions its walk
 * or list of sums made. Built with SB_TALLIED against every source of the library.
 *
 * Input: twenty int32, see `layer`; then the codes, and starts, operands, roles and segments of the
 * program where there are nodes. Inputs are zeros: what is added does not depend on them. */
#include <signbin.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t sb_tallied_additions;

typedef struct layer {
    int32_t linear, channels, height, width, filters, window, stride, padding, groups, images;
    int32_t codes, zero, top; /* whether the input is codes */
    int32_t tile_filters, chunk, mode;
    int32_t summed, nodes, operands,
        segments; /* summed: 1: a list of sums, 2: bit-serial, 3: by tables, no walk */
} layer;

static void *read_numbers(size_t count, size_t size) {
    void *numbers = malloc(count * size + 1);
    if (!numbers || fread(numbers, size, count, stdin) != count) {
        fprintf(stderr, "the description ends early\n");
        exit(2);
    }
    return numbers;
}

static void require(sb_status status, const sb_builder *builder) {
    if (status == SB_OK)
        return;
    fprintf(stderr, "%s: %s\n", sb_status_name(status), sb_builder_message(builder));
    exit(1);
}

static uint32_t add_value(sb_builder *builder, sb_value_spec spec) {
    uint32_t value;
    require(sb_builder_add_value(builder, &spec, &value), builder);
    return value;
}

static int32_t output_size(const layer *one, int32_t size) {
    return (size + 2 * one->padding - one->window) / one->stride + 1;
}

static void add_layer(sb_builder *builder, const layer *one, const sb_weight_spec *weight,
                      uint32_t input, uint32_t output) {
    const sb_epilogue_spec epilogue = {.residual = SB_NO_VALUE};
    if (one->linear) {
        const sb_linear_spec spec = {input, output, 1, true, *weight, epilogue};
        require(sb_builder_add_linear(builder, &spec), builder);
        return;
    }
    const sb_window_spec window = {
        one->window,  one->window,  one->stride,  one->stride, one->padding,
        one->padding, one->padding, one->padding, 1,           1};
    const sb_conv2d_spec spec = {input, output, window, one->groups, *weight, epilogue};
    require(sb_builder_add_conv2d(builder, &spec), builder);
}

static sb_program *build(const layer *one, const sb_weight_spec *weight) {
    const size_t bytes = (size_t)one->channels * one->height * one->width * sizeof(float);
    const sb_builder_spec spec = {SB_ISA_SCALAR, bytes, bytes, 1};
    const sb_place place = one->linear ? SB_PLACE_BATCH : SB_PLACE_ARENA;
    sb_builder *builder;
    sb_program *program;
    require(sb_builder_create(&spec, &builder), NULL);
    uint32_t input = add_value(
        builder, (sb_value_spec){one->channels, one->height, one->width, .place = SB_PLACE_INPUT});
    if (one->codes) {
        const uint32_t plain = input;
        input = add_value(builder,
                          (sb_value_spec){one->channels, one->height, one->width, place,
                                          .type = SB_TYPE_U8, .zero = one->zero, .top = one->top});
        const float factor = 1.0f;
        const sb_direct_spec quantize = {
            .op = "quantize", .input = plain, .output = input, .real = {&factor, 1}};
        require(sb_builder_add_direct(builder, &quantize), builder);
    }
    const uint32_t output =
        add_value(builder, (sb_value_spec){one->filters, output_size(one, one->height),
                                           output_size(one, one->width), .place = SB_PLACE_OUTPUT});
    add_layer(builder, one, weight, input, output);
    require(sb_builder_finish(builder, &program), builder);
    sb_builder_free(builder);
    return program;
}

int main(void) {
    layer *one = read_numbers(1, sizeof *one);
    const size_t taps =
        (size_t)one->channels / one->groups * (size_t)one->window * (size_t)one->window;
    const size_t count = taps * (size_t)one->filters;
    const int8_t *codes = read_numbers(count, 1);
    const size_t nodes = (size_t)one->nodes;
    const sb_sum_list list = {.starts = read_numbers(nodes + 1, 4),
                              .operands = read_numbers((size_t)one->operands, 4),
                              .roles = read_numbers(nodes, 4),
                              .segments = read_numbers((size_t)one->segments + 1, 4),
                              .nodes = nodes,
                              .operand_count = (size_t)one->operands,
                              .segment_count = (size_t)one->segments};
    float *scale = malloc((size_t)one->filters * sizeof *scale);
    for (int32_t k = 0; k < one->filters; ++k)
        scale[k] = 1.0f;
    const sb_weight_spec weight = {
        .strategy = one->summed == 1   ? SB_STRATEGY_SUMS
                    : one->summed == 2 ? SB_STRATEGY_BITSERIAL
                    : one->summed == 3 ? SB_STRATEGY_TABLE
                                       : SB_STRATEGY_BUCKET,
        .codes = {codes, count},
        .scale = {scale, (size_t)one->filters},
        .tile = {one->tile_filters, 1, one->chunk, (sb_walk_mode)one->mode},
        .sums = one->summed == 1 ? &list : NULL};
    sb_program *program = build(one, &weight);
    const size_t images = (size_t)one->images;
    const size_t pixels = (size_t)(output_size(one, one->height) * output_size(one, one->width));
    float *input = calloc(images * (size_t)(one->channels * one->height * one->width), 4);
    float *output = calloc(images * (size_t)one->filters * pixels, 4);
    sb_tallied_additions = 0;
    require(sb_program_run(program, (const float *const *)&input, &output, images, NULL, NULL),
            NULL);
    printf("%llu\n", (unsigned long long)sb_tallied_additions);
    return 0;
}
