/* Steps without weights on rows of elements, and those that find pixels by tables. */
#include "draw.h"

#include "kernels/kernel.h"

#include <string.h>

static int32_t *whole_of(check_step *step, size_t count) {
    int32_t *numbers = check_take(count, sizeof *numbers);
    step->direct.whole = (sb_numbers){numbers, count};
    return numbers;
}

/* Operand and target of so many elements; values of images may lie in lanes. */
static check_step *add_rows(check_network *network, const sb_kernel_info *row, size_t given_count,
                            size_t made_count) {
    check_random *random = &network->random;
    check_shape given = {(int32_t)given_count, 1, 1, row->type, 0, 0};
    check_draw_codes(random, &given);
    check_shape made = given;
    made.channels = (int32_t)made_count;
    check_layout layout = check_draw_layout(network, &given);
    check_layout target = check_draw_layout(network, &made);
    layout.in_lanes = check_chance(random, 30);
    target.in_lanes = check_chance(random, 30);
    check_say(network, "%s of %zu to %zu elements:", row->op, given_count, made_count);
    const uint32_t input = check_draw_operand(network, &given, &layout, false, network->exact);
    const uint32_t output = check_draw_target(network, &made, &target, false);
    network->checked = network->step_count;
    check_step *step = check_add_step(network, CHECK_DIRECT);
    step->direct = (sb_direct_spec){.op = row->op, .input = input, .output = output};
    return step;
}

/* Of every row: a scale and a bias for each of its numbers. */
static void draw_scaled(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    const int32_t rows = check_extent(random, 40), length = check_extent(random, 90);
    const size_t count = (size_t)length;
    check_step *step = add_rows(network, row, (size_t)rows * count, (size_t)rows * count);
    *whole_of(step, 1) = rows;
    step->direct.scale = (sb_floats){check_draw_floats(random, count, -2.0f, 2.0f), count};
    step->has_epilogue = true;
    if (check_chance(random, 60))
        step->epilogue.bias = (sb_floats){check_draw_floats(random, count, -1.0f, 1.0f), count};
    if (!strcmp(row->op, "normalize_rows"))
        step->direct.real = (sb_floats){check_draw_floats(random, 1, 1e-5f, 1e-2f), 1};
    check_return(network, step->direct.output);
}

static void draw_reduced(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    const bool reduces = !strcmp(row->op, "reduce");
    const int32_t blocks[] = {check_extent(random, 12), check_extent(random, 90),
                              check_chance(random, 50) ? 1 : check_extent(random, 40)};
    const size_t made = (size_t)blocks[0] * (size_t)blocks[2];
    const size_t given = made * (size_t)blocks[1];
    check_step *step = add_rows(network, row, given, reduces ? made : given);
    int32_t *whole = whole_of(step, reduces ? 4 : 3);
    if (reduces) {
        *whole++ = check_between(random, 0, 2);
        step->direct.real = (sb_floats){check_draw_floats(random, 1, 0.1f, 2.0f), 1};
    }
    memcpy(whole, blocks, sizeof blocks);
    check_return(network, step->direct.output);
}

static void draw_matmul(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    const int32_t b = check_between(random, 1, 3), m = check_extent(random, 20);
    const int32_t k = check_extent(random, 70), n = check_extent(random, 70);
    const check_shape factor = {b * k * n, 1, 1, SB_TYPE_F32, 0, 0};
    const check_layout layout = check_draw_layout(network, &factor);
    const uint32_t residual = check_draw_operand(network, &factor, &layout, false, false);
    check_step *step = add_rows(network, row, (size_t)(b * m * k), (size_t)(b * m * n));
    const int32_t whole[] = {b, m, k, n};
    memcpy(whole_of(step, 4), whole, sizeof whole);
    step->has_epilogue = true;
    step->epilogue.residual = residual;
    check_return(network, step->direct.output);
}

/* y = x[base + i0 s0 + .. + i4 s4], within x whatever the signs of the steps. */
static void draw_strided(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    int32_t numbers[1 + 2 * SB_WALK_AXES] = {0};
    int32_t *const extents = numbers + 1, *const steps = extents + SB_WALK_AXES;
    int64_t least = 0, most = 0;
    size_t made = 1;
    for (int axis = 0; axis < SB_WALK_AXES; ++axis) {
        extents[axis] = check_chance(random, 60) ? check_between(random, 1, 4) : 1;
        if (axis == SB_WALK_AXES - 1)
            extents[axis] = check_extent(random, 40);
        steps[axis] = check_chance(random, 40) ? 1 : check_between(random, -20, 20);
        const int64_t way = (int64_t)(extents[axis] - 1) * steps[axis];
        *(way < 0 ? &least : &most) += way;
        made *= (size_t)extents[axis];
    }
    numbers[0] = (int32_t)-least;
    const size_t given = (size_t)(most - least) + 1 + (size_t)check_between(random, 0, 3);
    check_step *step = add_rows(network, row, given, made);
    memcpy(whole_of(step, 1 + 2 * SB_WALK_AXES), numbers, sizeof numbers);
    check_return(network, step->direct.output);
}

static void draw_fill(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    const size_t made = (size_t)check_extent(random, 300);
    check_step *step = add_rows(network, row, (size_t)check_extent(random, 20), made);
    step->direct.scale = (sb_floats){check_draw_floats(random, made, -2.0f, 2.0f), made};
    check_return(network, step->direct.output);
}

static void draw_take(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    const int32_t outer = check_extent(random, 12), length = check_extent(random, 30);
    const int32_t inner = check_extent(random, 40), places = check_extent(random, 40);
    check_step *step = add_rows(network, row, (size_t)outer * (size_t)length * (size_t)inner,
                                (size_t)outer * (size_t)places * (size_t)inner);
    int32_t *whole = whole_of(step, 3 + (size_t)places);
    *whole++ = outer;
    *whole++ = length;
    *whole++ = inner;
    for (int32_t i = 0; i < places; ++i)
        whole[i] = check_between(random, 0, length - 1);
    check_return(network, step->direct.output);
}

/* ---- pixels -----------------------------------------------------------------------------------
 */

/* Values of images, in any view. */
static check_step *add_images(check_network *network, const sb_kernel_info *row,
                              const check_shape *given, const check_shape *made) {
    const check_layout layout = check_draw_layout(network, given);
    const check_layout target = check_draw_layout(network, made);
    check_say(network, "%s of %d x %d x %d to %d x %d x %d:", row->op, given->channels,
              given->height, given->width, made->channels, made->height, made->width);
    const uint32_t input = check_draw_operand(network, given, &layout, false, network->exact);
    const uint32_t output = check_draw_target(network, made, &target, false);
    network->checked = network->step_count;
    check_step *step = check_add_step(network, CHECK_DIRECT);
    step->direct = (sb_direct_spec){.op = row->op, .input = input, .output = output};
    return step;
}

static void draw_resample(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    const int32_t blocks[] = {check_between(random, 1, 2), check_between(random, 1, 3),
                              check_between(random, 1, 2), check_between(random, 1, 3)};
    const int32_t channels = check_extent(random, 12);
    check_shape given = {channels * blocks[0] * blocks[1],
                         check_extent(random, 14),
                         check_extent(random, 14),
                         row->type,
                         0,
                         0};
    check_draw_codes(random, &given);
    check_shape made = given;
    made.channels = channels * blocks[2] * blocks[3];
    made.height = check_extent(random, 14);
    made.width = check_extent(random, 14);
    check_step *step = add_images(network, row, &given, &made);
    const int32_t rows = made.height * blocks[2], columns = made.width * blocks[3];
    int32_t *whole = whole_of(step, 4 + (size_t)rows + (size_t)columns);
    memcpy(whole, blocks, sizeof blocks);
    whole += 4;
    for (int32_t i = 0; i < rows; ++i)
        *whole++ = check_between(random, -1, given.height * blocks[0] - 1);
    for (int32_t i = 0; i < columns; ++i)
        *whole++ = check_between(random, -1, given.width * blocks[1] - 1);
    float *fill = check_take(1, sizeof *fill);
    *fill = (float)check_between(random, 0, given.top);
    step->direct.real = (sb_floats){fill, 1};
    check_return(network, step->direct.output);
}

static void draw_blend(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    check_shape given = {check_extent(random, 40),
                         check_extent(random, 14),
                         check_extent(random, 14),
                         row->type,
                         0,
                         0};
    const int32_t most = row->type == SB_TYPE_U8 ? 2048 : 1 << 24;
    check_draw_codes(random, &given);
    check_shape made = given;
    made.height = check_extent(random, 20);
    made.width = check_extent(random, 20);
    check_step *step = add_images(network, row, &given, &made);
    const int32_t rows = made.height, columns = made.width;
    int32_t *whole = whole_of(step, 2 * (size_t)(rows + columns));
    for (int32_t i = 0; i < 2 * (rows + columns); ++i) {
        const int32_t last = i < rows ? given.height - 1 : given.width - 1;
        whole[i] = check_between(random, 0, i < rows + columns ? last : most);
    }
    check_return(network, step->direct.output);
}

/* Parts side by side, or some channels of one. */
static void draw_channels(const sb_kernel_info *row, check_network *network) {
    check_random *random = &network->random;
    const int32_t more = check_between(random, 0, 3),
                  groups = more ? 1 : check_between(random, 1, 3);
    check_shape given = {groups * check_extent(random, 30),
                         check_extent(random, 14),
                         check_extent(random, 14),
                         row->type,
                         0,
                         0};
    check_draw_codes(random, &given);
    const int32_t spare = more ? 0 : check_between(random, 0, 4);
    check_shape made = given;
    uint32_t *others = check_take((size_t)more + 1, sizeof *others);
    const bool computes = row->type == SB_TYPE_U8 && check_chance(random, 50);
    if (computes)
        check_draw_codes(random, &made);
    for (int32_t i = 0; i < more; ++i) {
        check_shape other = given;
        other.channels = check_extent(random, 20);
        if (computes)
            check_draw_codes(random, &other);
        made.channels += other.channels;
        const check_layout layout = check_draw_layout(network, &other);
        others[i] = check_draw_operand(network, &other, &layout, false, network->exact);
    }
    given.channels += spare;
    check_step *step = add_images(network, row, &given, &made);
    int32_t *whole = whole_of(step, 2);
    whole[0] = check_between(random, 0, spare);
    whole[1] = groups;
    step->direct.more = more ? others : NULL;
    step->direct.more_count = (size_t)more;
    if (computes)
        step->direct.real =
            (sb_floats){check_draw_floats(random, (size_t)more + 1, 0.3f, 1.5f), (size_t)more + 1};
    check_return(network, step->direct.output);
}

bool check_draw_rows(const sb_kernel_info *row, check_network *network) {
    static const struct {
        const char *op;
        void (*draw)(const sb_kernel_info *, check_network *);
        bool exact;
    } families[] = {{"blend", draw_blend, true},
                    {"channels", draw_channels, true},
                    {"fill", draw_fill, true},
                    {"matmul", draw_matmul, false},
                    {"normalize_rows", draw_scaled, false},
                    {"reduce", draw_reduced, false},
                    {"resample", draw_resample, true},
                    {"scale_rows", draw_scaled, true},
                    {"softmax_rows", draw_reduced, false},
                    {"strided", draw_strided, true},
                    {"take", draw_take, true}};
    for (size_t i = 0; i < sizeof families / sizeof *families; ++i)
        if (!strcmp(families[i].op, row->op)) {
            network->exact = families[i].exact;
            families[i].draw(row, network);
            return true;
        }
    return false;
}
