#include "network.h"

#include "operands/view_plan.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARRAY_BYTES = 48 << 20, ALIGNMENT = 64 };

static char *arrays;
static size_t arrays_used;

void check_forget_arrays(void) {
    arrays_used = 0;
}

size_t check_mark_arrays(void) {
    return arrays_used;
}

void check_forget_after(size_t mark) {
    arrays_used = mark;
}

void *check_take(size_t count, size_t size) {
    if (!arrays)
        arrays = aligned_alloc(ALIGNMENT, ARRAY_BYTES);
    const size_t bytes = (count * size + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    if (!arrays || bytes > ARRAY_BYTES - arrays_used) {
        fprintf(stderr, "check_kernels: a case needs more memory than there is\n");
        exit(2);
    }
    void *taken = arrays + arrays_used;
    arrays_used += bytes;
    memset(taken, 0, bytes);
    return taken;
}

uint32_t check_add_value(check_network *network, const sb_value_spec *spec,
                         const check_layout *layout) {
    check_value *value = &network->values[network->value_count];
    value->spec = *spec;
    value->layout = layout ? *layout : (check_layout){.under = -1};
    return network->value_count++;
}

check_step *check_add_step(check_network *network, check_kind kind) {
    check_step *step = &network->steps[network->step_count++];
    step->kind = kind;
    step->epilogue.residual = SB_NO_VALUE;
    return step;
}

void check_say(check_network *network, const char *format, ...) {
    const size_t said = strlen(network->words);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(network->words + said, CHECK_WORDS - said, format, arguments);
    va_end(arguments);
}

size_t check_elements(const sb_value_spec *spec) {
    return (size_t)spec->channels * (size_t)spec->height * (size_t)spec->width;
}

/* ---- building ------------------------------------------------------------------------------ */

/* The blocks that windows over `output` read, where they hold the image. */
static bool lies_under(const check_network *network, const check_value *value, int32_t lanes,
                       sb_view *view) {
    const check_step *step = &network->steps[value->layout.under];
    const sb_window_spec *window =
        step->kind == CHECK_CONV ? &step->conv.window : &step->direct.window;
    const sb_value_spec *made =
        &network->values[step->kind == CHECK_CONV ? step->conv.output : step->direct.output].spec;
    const sb_geometry geometry = {.kernel_height = window->kernel_height,
                                  .kernel_width = window->kernel_width,
                                  .stride_height = window->stride_height,
                                  .stride_width = window->stride_width,
                                  .padding_top = window->padding_top,
                                  .padding_left = window->padding_left,
                                  .padding_bottom = window->padding_bottom,
                                  .padding_right = window->padding_right,
                                  .dilation_height = window->dilation_height,
                                  .dilation_width = window->dilation_width};
    const sb_extent output = {made->channels, made->height, made->width};
    const sb_extent extent = {value->spec.channels, value->spec.height, value->spec.width};
    sb_view cut;
    sb_view_cut(&output, lanes, &cut);
    if (!sb_view_under(&geometry, &cut, view))
        return false;
    view->pitch = extent.channels;
    return sb_view_holds(view, &extent);
}

static sb_layout_spec layout_of(const check_network *network, const check_value *value,
                                int32_t lanes) {
    const sb_extent extent = {value->spec.channels, value->spec.height, value->spec.width};
    const check_layout *layout = &value->layout;
    sb_view view;
    if (!layout->in_lanes)
        return (sb_layout_spec){0};
    if (layout->under < 0 || !lies_under(network, value, lanes, &view))
        sb_view_cut(&extent, lanes, &view);
    return (sb_layout_spec){.lanes = view.lanes,
                            .blocks_y = view.blocks_y,
                            .blocks_x = view.blocks_x,
                            .block_height = view.block_height,
                            .block_width = view.block_width,
                            .top = view.top + layout->top,
                            .bottom = view.bottom + layout->bottom,
                            .left = view.left + layout->left,
                            .right = view.right + layout->right,
                            .pitch = extent.channels + layout->more,
                            .fill = layout->fill};
}

static size_t bytes_of(const sb_value_spec *spec) {
    const sb_layout_spec *layout = &spec->layout;
    size_t elements = check_elements(spec);
    if (layout->lanes)
        elements = (size_t)(layout->top + layout->block_height + layout->bottom) *
                   (size_t)(layout->left + layout->block_width + layout->right) *
                   (size_t)layout->pitch * (size_t)layout->lanes;
    return elements * sb_type_bytes(spec->type);
}

/* Values one behind the other, in the arena and in the memory of the batch. */
static void place_values(const check_network *network, sb_isa isa, sb_value_spec *specs,
                         size_t used[2]) {
    used[0] = used[1] = 0;
    for (uint32_t i = 0; i < network->value_count; ++i) {
        sb_value_spec *spec = &specs[i];
        const bool batch = network->values[i].spec.place == SB_PLACE_BATCH;
        *spec = network->values[i].spec;
        spec->layout = layout_of(network, &network->values[i], sb_isa_lanes(isa, spec->type));
        if (!batch && spec->place != SB_PLACE_ARENA)
            continue;
        spec->offset_bytes = used[batch];
        used[batch] += (bytes_of(spec) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
}

static sb_status add_step(sb_builder *builder, const check_step *step) {
    sb_direct_spec direct = step->direct;
    if (step->kind == CHECK_CONV)
        return sb_builder_add_conv2d(builder, &step->conv);
    if (step->kind == CHECK_LINEAR)
        return sb_builder_add_linear(builder, &step->linear);
    direct.epilogue = step->has_epilogue ? &step->epilogue : NULL;
    return sb_builder_add_direct(builder, &direct);
}

sb_program *check_build(const check_network *network, sb_isa isa, sb_status *status,
                        char message[256]) {
    sb_value_spec values[CHECK_VALUES];
    size_t used[2];
    place_values(network, isa, values, used);
    const sb_builder_spec spec = {.isa = isa,
                                  .arena_bytes = used[0],
                                  .batch_bytes = used[1],
                                  .threads = 1,
                                  .generates = true};
    sb_builder *builder = NULL;
    sb_program *program = NULL;
    uint32_t number;
    message[0] = '\0';
    *status = sb_builder_create(&spec, &builder);
    for (uint32_t i = 0; *status == SB_OK && i < network->value_count; ++i)
        *status = sb_builder_add_value(builder, &values[i], &number);
    for (uint32_t i = 0; *status == SB_OK && i < network->step_count; ++i)
        *status = add_step(builder, &network->steps[i]);
    if (*status == SB_OK)
        *status = sb_builder_finish(builder, &program);
    snprintf(message, 256, "%s", sb_builder_message(builder));
    sb_builder_free(builder);
    return program;
}

/* ---- running ------------------------------------------------------------------------------- */

bool check_compute(const check_network *network, const sb_program *program,
                   check_results *results) {
    const float *inputs[CHECK_VALUES];
    float *outputs[CHECK_VALUES];
    size_t input = 0, output = 0;
    for (uint32_t i = 0; i < network->value_count; ++i) {
        const sb_value_spec *spec = &network->values[i].spec;
        const size_t count = check_elements(spec) * network->batch;
        results->values[i] = check_take(count, sizeof(float));
        for (size_t at = 0; at < count; ++at)
            results->values[i][at] = NAN;
        if (spec->place == SB_PLACE_INPUT)
            inputs[input++] = network->inputs[i];
        if (spec->place == SB_PLACE_OUTPUT) {
            outputs[output] = check_take(count, sizeof(float));
            memset(outputs[output++], 0xff, count * sizeof(float));
        }
    }
    return sb_program_run(program, inputs, outputs, network->batch, results->values, NULL) == SB_OK;
}

static bool same_bits(float a, float b) {
    return !memcmp(&a, &b, sizeof a) || (isnan(a) && isnan(b));
}

/* The largest finite number of an array. */
static float largest(const float *numbers, size_t count) {
    float most = 0.0f;
    for (size_t i = 0; i < count; ++i)
        if (isfinite(numbers[i]) && fabsf(numbers[i]) > most)
            most = fabsf(numbers[i]);
    return most;
}

/* No weight of a layer is larger: a number, or scale * code + offset. */
static float largest_weight(const sb_weight_spec *weight) {
    return largest(weight->values.data, weight->values.count) +
           largest(weight->scale.data, weight->scale.count) +
           largest(weight->offset.data, weight->offset.count);
}

/* What the sums of a value may have lost to rounding, beside what its numbers tell: an activation
 * may have cut off all that is large. Errors of n products of either sign add up to some sqrt(n) of
 * one, which is that of a sum as large as sqrt(n) products. */
static float rounding_of(const check_network *network, uint32_t value,
                         const check_results *expected) {
    const check_step *step = &network->steps[network->checked];
    const bool linear = step->kind == CHECK_LINEAR;
    const uint32_t input = linear ? step->linear.input : step->conv.input;
    const uint32_t output = linear ? step->linear.output : step->conv.output;
    if (step->kind == CHECK_DIRECT || value < output ||
        network->values[input].spec.type != SB_TYPE_F32)
        return 0.0f;
    const sb_weight_spec *weight = linear ? &step->linear.weight : &step->conv.weight;
    const sb_value_spec *image = &network->values[input].spec;
    const sb_window_spec *window = &step->conv.window;
    const int32_t taps =
        linear ? (int32_t)check_elements(image) / step->linear.rows
               : image->channels / step->conv.groups * window->kernel_height * window->kernel_width;
    const size_t read = check_elements(image) * network->batch;
    return FLT_EPSILON * (float)taps * largest(expected->values[input], read) *
           largest_weight(weight);
}

void check_compare(const check_network *network, const check_results *found,
                   const check_results *expected, char words[CHECK_WORDS]) {
    words[0] = '\0';
    for (uint32_t i = 0; i < network->value_count; ++i) {
        const sb_value_spec *spec = &network->values[i].spec;
        const size_t count = check_elements(spec) * network->batch;
        const float *ours = found->values[i], *theirs = expected->values[i];
        const bool exact = network->exact || spec->type == SB_TYPE_U8;
        const float slack =
            exact ? 0.0f
                  : network->tolerance * largest(theirs, count) + rounding_of(network, i, expected);
        for (size_t at = 0; at < count; ++at) {
            if (same_bits(ours[at], theirs[at]) ||
                (!exact && fabsf(ours[at] - theirs[at]) <= slack))
                continue;
            snprintf(words, CHECK_WORDS,
                     "wrong: element %zu of value %u (%d x %d x %d, %s) is %.9g, not %.9g (%s)", at,
                     i, spec->channels, spec->height, spec->width, sb_type_name(spec->type),
                     (double)ours[at], (double)theirs[at],
                     exact ? "to the bit" : "within its bound");
            return;
        }
    }
}
