/* Steps without weights on images. */
#include "draw.h"

#include "kernels/kernel.h"

#include <math.h>
#include <string.h>

static check_shape draw_image(const sb_kernel_info *row, check_random *random) {
    check_shape image = {check_extent(random, 70),
                         check_extent(random, 20),
                         check_extent(random, 20),
                         row->type,
                         0,
                         0};
    check_draw_codes(random, &image);
    return image;
}

/* The same, of floats or of other codes where the step computes on codes. */
static check_shape computed(check_random *random, const check_shape *given) {
    check_shape made = *given;
    made.type = given->type == SB_TYPE_U8 && check_chance(random, 60) ? SB_TYPE_U8 : SB_TYPE_F32;
    check_draw_codes(random, &made);
    return made;
}

static const int32_t *numbers_of(const int32_t *numbers, size_t count, sb_numbers *given) {
    int32_t *taken = check_take(count, sizeof *taken);
    memcpy(taken, numbers, count * sizeof *taken);
    *given = (sb_numbers){taken, count};
    return taken;
}

static void say(check_network *network, const char *op, const check_shape *given,
                const check_shape *made) {
    check_say(network, "%s of %d x %d x %d (codes 0..%d, zero %d) to %d x %d x %d (%s):", op,
              given->channels, given->height, given->width, given->top, given->zero, made->channels,
              made->height, made->width, sb_type_name(made->type));
}

/* The step between an operand and a target; the caller says what it takes. fill: of positions
 * outside the image. under: the operand may lie in the blocks of the step's windows. */
static check_step *add_direct(check_network *network, const char *op, const check_shape *given,
                              const check_shape *made, float fill, bool under) {
    check_layout layout = check_draw_layout(network, given);
    const check_layout target = check_draw_layout(network, made);
    layout.fill = fill;
    say(network, op, given, made);
    const uint32_t input = check_draw_operand(network, given, &layout, false, network->exact);
    const uint32_t output = check_draw_target(network, made, &target, false);
    if (under && check_chance(&network->random, 50))
        network->values[input].layout.under = (int)network->step_count;
    network->checked = network->step_count;
    check_step *step = check_add_step(network, CHECK_DIRECT);
    step->direct = (sb_direct_spec){.op = op, .input = input, .output = output};
    return step;
}

/* Its epilogue may have a residual, which comes before the step. */
static void draw_elementwise(check_network *network, const check_shape *given,
                             const check_shape *made, const char *op, uint32_t residual) {
    check_random *random = &network->random;
    const check_layout layout = check_draw_layout(network, given);
    const check_layout target = check_draw_layout(network, made);
    const size_t channels = (size_t)made->channels;
    sb_epilogue_spec epilogue = {0};
    say(network, op, given, made);
    check_draw_epilogue(network, made, given->type, false, residual == SB_NO_VALUE, &epilogue);
    if (residual != SB_NO_VALUE)
        epilogue.residual = residual;
    const uint32_t input = check_draw_operand(network, given, &layout, false, network->exact);
    const uint32_t output = check_draw_target(network, made, &target, false);
    network->checked = network->step_count;
    check_step *step = check_add_step(network, CHECK_DIRECT);
    step->direct = (sb_direct_spec){.op = op, .input = input, .output = output};
    if (check_chance(random, 60))
        step->direct.scale =
            (sb_floats){check_draw_floats(random, channels, -2.0f, 2.0f), channels};
    step->epilogue = epilogue;
    step->has_epilogue = true;
    check_return(network, output);
}

static void draw_same(const sb_kernel_info *row, check_network *network) {
    const check_shape given = draw_image(row, &network->random);
    const check_shape made = computed(&network->random, &given);
    draw_elementwise(network, &given, &made, "elementwise", SB_NO_VALUE);
}

/* The factor: of the same shape, of one channel, or of one pixel. */
static void draw_multiply(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    const check_shape given = draw_image(row, random), made = computed(random, &given);
    check_shape factor = given;
    if (check_chance(random, 50))
        factor.channels = 1;
    if (check_chance(random, 50))
        factor.height = factor.width = 1;
    check_draw_codes(random, &factor);
    const check_layout layout = check_draw_layout(network, &factor);
    const uint32_t residual = check_draw_operand(network, &factor, &layout, false, network->exact);
    draw_elementwise(network, &given, &made, "multiply", residual);
}

/* ---- windows --------------------------------------------------------------------------------- */

static int32_t of_axis(int32_t size, int32_t before, int32_t after, int32_t reach, int32_t stride) {
    return (size + before + after - reach - 1) / stride + 1;
}

static void draw_pool(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    const bool average = !strcmp(row->op, "avg_pool2d");
    check_shape given = draw_image(row, random);
    check_shape made = average ? computed(random, &given) : given;
    int32_t numbers[2][5]; /* kernel, stride, before, after, dilation */
    for (int axis = 0; axis < 2; ++axis) {
        int32_t *const of = numbers[axis], *size = axis ? &given.width : &given.height;
        of[0] = check_between(random, 1, 4);
        of[1] = check_between(random, 1, 3);
        of[4] = average || check_chance(random, 70) ? 1 : 2;
        const int32_t reach = of[4] * (of[0] - 1);
        of[2] = check_between(random, 0, reach < 2 ? reach : 2);
        of[3] = check_between(random, 0, reach < 2 ? reach : 2);
        if (*size < reach + 1)
            *size = reach + 1;
        if (average && check_chance(random, 25))
            of[0] = *size, of[1] = 1, of[2] = of[3] = 0;
        *(axis ? &made.width : &made.height) =
            of_axis(*size, of[2], of[3], of[4] * (of[0] - 1), of[1]);
    }
    const float fill = average ? (float)given.zero : given.type == SB_TYPE_U8 ? 0.0f : -INFINITY;
    check_step *step = add_direct(network, row->op, &given, &made, fill, true);
    step->direct.window =
        (sb_window_spec){numbers[0][0], numbers[1][0], numbers[0][1], numbers[1][1], numbers[0][2],
                         numbers[1][2], numbers[0][3], numbers[1][3], numbers[0][4], numbers[1][4]};
    if (average) {
        const int32_t counts = check_between(random, 0, 1);
        numbers_of(&counts, 1, &step->direct.whole);
        step->direct.scale = (sb_floats){
            check_draw_floats(random, (size_t)made.channels, 0.1f, 2.0f), (size_t)made.channels};
    }
    check_return(network, step->direct.output);
}

static void draw_subsample_pad(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    const check_shape given = draw_image(row, random);
    const int32_t whole[] = {check_between(random, 0, 5), check_between(random, 0, 5)};
    sb_window_spec window = {
        1, 1, check_between(random, 1, 3), check_between(random, 1, 3), 0, 0, 0, 0, 1, 1};
    window.padding_top = check_between(random, 0, 1);
    window.padding_right = check_between(random, 0, 1);
    check_shape made = given;
    made.channels += whole[0] + whole[1];
    made.height = of_axis(given.height, window.padding_top, 0, 0, window.stride_height);
    made.width = of_axis(given.width, 0, window.padding_right, 0, window.stride_width);
    check_step *step =
        add_direct(network, "subsample_pad", &given, &made, (float)given.zero, false);
    step->direct.window = window;
    numbers_of(whole, 2, &step->direct.whole);
    check_return(network, step->direct.output);
}

/* ---- one number after the other ---------------------------------------------------------------
 */

static void draw_unary(const sb_kernel_info *row, check_network *network) {
#define SB_FUNCTION(name, takes_alpha) {#name, takes_alpha},
    static const struct {
        const char *name;
        bool takes_alpha;
    } functions[] = {
#include "kernels/direct/functions.def"
    };
#undef SB_FUNCTION
    enum { COUNT = sizeof functions / sizeof *functions };
    const check_shape given = draw_image(row, &network->random);
    const int32_t at = check_between(&network->random, 0, COUNT - 1);
    check_step *step = add_direct(network, functions[at].name, &given, &given, 0.0f, false);
    if (functions[at].takes_alpha)
        step->direct.real = (sb_floats){check_draw_floats(&network->random, 1, 0.1f, 2.0f), 1};
    check_return(network, step->direct.output);
}

static void draw_look_up(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    const check_shape given = draw_image(row, random), made = computed(random, &given);
    const size_t codes = (size_t)given.top + 1;
    const float unit = made.type == SB_TYPE_U8 ? 300.0f : 2.0f;
    check_step *step = add_direct(network, "look_up", &given, &made, (float)given.zero, false);
    step->direct.table = (sb_floats){check_draw_floats(random, codes, -unit, unit), codes};
    check_return(network, step->direct.output);
}

static void draw_softmax(const sb_kernel_info *row, check_network *network) {
    const check_shape given = draw_image(row, &network->random);
    network->exact = false;
    check_return(network,
                 add_direct(network, "softmax", &given, &given, 0.0f, false)->direct.output);
}

/* ---- stages of layout --------------------------------------------------------------------------
 */

static void draw_flatten(const sb_kernel_info *row, check_network *network) {
    const check_shape given = draw_image(row, &network->random);
    check_shape made = given;
    if (given.type == SB_TYPE_F32 && check_chance(&network->random, 40))
        made = (check_shape){given.channels * given.height * given.width, 1, 1, SB_TYPE_F32, 0, 0};
    check_step *step = add_direct(network, "flatten", &given, &made, (float)given.zero, false);
    if (made.channels != given.channels) /* other shapes are plain */
        network->values[step->direct.output].layout.in_lanes = false;
    check_return(network, step->direct.output);
}

/* Operands of codes are quantized and returned anyhow. */
static void draw_conversion(const sb_kernel_info *row, check_network *network) {
    const check_shape given = draw_image(row, &network->random);
    draw_elementwise(network, &given, &given, "elementwise", SB_NO_VALUE);
}

/* Totals of windows, which binary and centred filters take. */
static void draw_totals(const sb_kernel_info *row, check_network *network) {
    sb_kernel_info walks = *row;
    walks.strategy = SB_STRATEGY_BUCKET;
    walks.op = "conv2d";
    walks.vectors = 1;
    check_draw_conv2d(&walks, network);
}

/* Bytes of codes, which tables and products of several at once read; scalar products take them as
 * they lie. */
static void draw_bytes(const sb_kernel_info *row, check_network *network) {
    sb_kernel_info products = *row;
    products.strategy = row->isa == SB_ISA_SCALAR ? SB_STRATEGY_TABLE : SB_STRATEGY_DENSE;
    products.op = "conv2d";
    check_draw_conv2d(&products, network);
}

bool check_draw_direct(const sb_kernel_info *row, check_network *network) {
    static const struct {
        const char *op;
        void (*draw)(const sb_kernel_info *, check_network *);
        bool exact;
    } families[] = {
        {"avg_pool2d", draw_pool, false},      {"bytes", draw_bytes, false},
        {"dequantize", draw_conversion, true}, {"elementwise", draw_same, true},
        {"halo", draw_conversion, true},       {"look_up", draw_look_up, true},
        {"max_pool2d", draw_pool, true},       {"multiply", draw_multiply, true},
        {"quantize", draw_conversion, true},   {"relayout", draw_flatten, true},
        {"softmax", draw_softmax, false},      {"subsample_pad", draw_subsample_pad, true},
        {"sum_channels", draw_totals, false},  {"unary", draw_unary, true}};
    for (size_t i = 0; i < sizeof families / sizeof *families; ++i)
        if (!strcmp(families[i].op, row->op)) {
            network->exact = families[i].exact;
            families[i].draw(row, network);
            return true;
        }
    return false;
}
