/* Layers with weights. */
#include "draw.h"

#include <string.h>

enum { SIDES = 4 };

static int32_t of_axis(int32_t size, int32_t before, int32_t after, int32_t dilation,
                       int32_t kernel, int32_t stride) {
    return (size + before + after - dilation * (kernel - 1) - 1) / stride + 1;
}

/* A window, and an image that it fits into. */
static void draw_window(check_random *random, sb_window_spec *window, check_shape *given) {
    int32_t *const numbers[2][6] = {
        {&window->kernel_height, &window->stride_height, &window->padding_top,
         &window->padding_bottom, &window->dilation_height, &given->height},
        {&window->kernel_width, &window->stride_width, &window->padding_left,
         &window->padding_right, &window->dilation_width, &given->width}};
    const bool point = check_chance(random, 15);
    for (int axis = 0; axis < 2; ++axis) {
        const int32_t kernel = point ? 1 : check_between(random, 1, 4);
        const int32_t stride = check_chance(random, 60) ? 1 : check_between(random, 2, 3);
        const int32_t dilation = check_chance(random, 80) ? 1 : 2;
        const int32_t before = check_chance(random, 50) ? check_between(random, 0, 2) : 0;
        const int32_t after = check_chance(random, 50) ? before : check_between(random, 0, 2);
        const int32_t least = dilation * (kernel - 1) + 1 - before - after;
        const int32_t drawn[6] = {kernel,   stride,
                                  before,   after,
                                  dilation, (least > 1 ? least : 1) + check_extent(random, 18) - 1};
        for (int i = 0; i < 6; ++i)
            *numbers[axis][i] = drawn[i];
    }
}

static void set_output(const sb_window_spec *window, const check_shape *given, check_shape *made) {
    made->height = of_axis(given->height, window->padding_top, window->padding_bottom,
                           window->dilation_height, window->kernel_height, window->stride_height);
    made->width = of_axis(given->width, window->padding_left, window->padding_right,
                          window->dilation_width, window->kernel_width, window->stride_width);
}

/* Wide or narrow, now and then depthwise. */
static int32_t draw_channels(const sb_kernel_info *row, check_random *random, check_shape *given,
                             check_shape *made) {
    const bool depthwise = row->strategy == SB_STRATEGY_DENSE && check_chance(random, 25);
    const int32_t groups = depthwise                  ? check_extent(random, 40)
                           : check_chance(random, 70) ? 1
                                                      : check_between(random, 2, 3);
    given->channels = groups * (depthwise ? 1 : check_extent(random, groups > 1 ? 24 : 72));
    made->channels =
        groups * (depthwise && check_chance(random, 80) ? 1 : check_extent(random, 48));
    return groups;
}

/* Codes where the row reads codes; its output is codes or floats. */
static void draw_types(const sb_kernel_info *row, check_random *random, check_shape *given,
                       check_shape *made) {
    given->type = row->type;
    made->type = row->type == SB_TYPE_U8 && check_chance(random, 60) ? SB_TYPE_U8 : SB_TYPE_F32;
    check_draw_codes(random, given);
    check_draw_codes(random, made);
}

/* The halo that the window needs is there, or too little of it. */
static check_layout layout_for_windows(check_network *network, const check_shape *given,
                                       const sb_window_spec *window) {
    check_layout layout = check_draw_layout(network, given);
    if (check_chance(&network->random, 60)) {
        layout.under = 0; /* which step, is said when it is there */
        layout.top += window->padding_top > 0;
        layout.in_lanes = true;
    }
    return layout;
}

void check_draw_conv2d(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    check_shape given, made;
    sb_window_spec window;
    draw_window(random, &window, &given);
    set_output(&window, &given, &made);
    const int32_t groups = draw_channels(row, random, &given, &made);
    draw_types(row, random, &given, &made);
    network->batch = (size_t)check_between(random, 1, 2);
    check_say(network,
              "conv2d of %d x %d x %d (codes 0..%d, zero %d) to %d x %d x %d (%s), window %d x %d, "
              "stride %d x %d, padding %d %d %d %d, dilation %d x %d, %d groups:",
              given.channels, given.height, given.width, given.top, given.zero, made.channels,
              made.height, made.width, sb_type_name(made.type), window.kernel_height,
              window.kernel_width, window.stride_height, window.stride_width, window.padding_top,
              window.padding_left, window.padding_bottom, window.padding_right,
              window.dilation_height, window.dilation_width, groups);
    const check_layout layout = layout_for_windows(network, &given, &window);
    const check_layout target = check_draw_layout(network, &made);
    const uint32_t input = check_draw_operand(network, &given, &layout, false, false);
    sb_epilogue_spec epilogue = {0};
    check_draw_epilogue(network, &made, given.type, false, true, &epilogue);
    const uint32_t output = check_draw_target(network, &made, &target, false);
    const int32_t shape[4] = {made.channels, given.channels / groups, window.kernel_height,
                              window.kernel_width};
    for (uint32_t i = 0; i < network->value_count; ++i)
        if (network->values[i].layout.under >= 0)
            network->values[i].layout.under = (int)network->step_count;
    network->checked = network->step_count;
    check_step *step = check_add_step(network, CHECK_CONV);
    step->conv = (sb_conv2d_spec){
        .input = input, .output = output, .window = window, .groups = groups, .epilogue = epilogue};
    check_draw_weights(row, network, groups, shape, &step->conv.weight);
    check_return(network, output);
}

void check_draw_linear(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    const bool whole_batch = check_chance(random, 60);
    const int32_t rows = check_between(random, 1, 3);
    check_shape given = {check_extent(random, 300), rows, 1, SB_TYPE_F32, 0, 0};
    check_shape made = {check_extent(random, 150), rows, 1, SB_TYPE_F32, 0, 0};
    const check_layout plain = {.under = -1};
    const bool coded = !strcmp(row->op, "coded_linear");
    draw_types(row, random, &given, &made);
    network->batch = (size_t)(check_chance(random, 70) ? check_between(random, 1, 9)
                                                       : check_between(random, 10, 70));
    check_say(network,
              "%s of %d to %d (codes 0..%d, zero %d; %s), %d rows of %zu images%s:", row->op,
              given.channels, made.channels, given.top, given.zero, sb_type_name(made.type), rows,
              network->batch, whole_batch ? " at once" : "");
    const int32_t channels = given.channels, filters = made.channels;
    given.channels *= rows;
    made.channels *= rows;
    given.height = made.height = 1;
    const uint32_t input = check_draw_operand(network, &given, &plain, whole_batch, false);
    sb_epilogue_spec epilogue = {0};
    made.channels = filters;
    check_draw_epilogue(network, &made, given.type, whole_batch, rows == 1 && !coded, &epilogue);
    made.channels = filters * rows;
    const uint32_t output = check_draw_target(network, &made, &plain, whole_batch);
    const int32_t shape[4] = {filters, channels, 1, 1};
    network->checked = network->step_count;
    check_step *step = check_add_step(network, CHECK_LINEAR);
    step->linear = (sb_linear_spec){.input = input,
                                    .output = output,
                                    .rows = rows,
                                    .whole_batch = whole_batch,
                                    .epilogue = epilogue};
    check_draw_weights(row, network, 1, shape, &step->linear.weight);
    step->linear.weight.coded_rows = coded;
    check_return(network, output);
}
