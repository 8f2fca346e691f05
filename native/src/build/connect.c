#include "connect.h"

#include "complain.h"
#include "step.h"

#include <math.h>

/* ---- values a step reads and writes ------------------------------------------------------- */

static bool overlap(const sb_value *a, const sb_value *b) {
    if (a->place != b->place || (a->place != SB_PLACE_ARENA && a->place != SB_PLACE_BATCH))
        return a == b;
    return a->offset_bytes < b->offset_bytes + b->bytes &&
           b->offset_bytes < a->offset_bytes + a->bytes;
}

static sb_status check_read(sb_builder *builder, uint32_t index, const char *what) {
    const sb_contents *contents = &builder->contents;
    if (index >= contents->value_count || !contents->values[index].written)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: %s value %u; allowed: the input or a value written before",
                           contents->step_count, what, index);
    return SB_OK;
}

bool sb_same_shape(const sb_value *a, const sb_value *b) {
    return a->extent.channels == b->extent.channels && a->extent.height == b->extent.height &&
           a->extent.width == b->extent.width;
}

/* Of the output's shape, or of one channel or pixel where the step allows that. */
static bool spreads_over(const sb_step *step, const sb_value *value, const sb_value *output) {
    const sb_extent *few = &value->extent, *all = &output->extent;
    const bool channels = few->channels == 1 || few->channels == all->channels;
    const bool point = few->height == 1 && few->width == 1;
    const bool pixels = few->height == all->height && few->width == all->width;
    return sb_same_shape(value, output) || (step->broadcasts && channels && (point || pixels));
}

static sb_status check_residual(sb_builder *builder, uint32_t residual, const sb_step *step,
                                const sb_value *output) {
    if (residual == SB_NO_VALUE)
        return SB_OK;
    const sb_status status = check_read(builder, residual, "residual");
    if (status != SB_OK)
        return status;
    const sb_value *value = &builder->contents.values[residual];
    if ((!step->pairs && !spreads_over(step, value, output)) || overlap(value, output))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: residual value %u has another shape than the output, or "
                           "shares its memory",
                           builder->contents.step_count, residual);
    return SB_OK;
}

static void describe_codes(const sb_contents *contents, sb_step *step) {
    const sb_value *input = &contents->values[step->input];
    const sb_value *output = &contents->values[step->output];
    step->layer.epilogue.requantize = (sb_requantize){
        .input_zero = input->zero,
        .residual_zero = step->residual == SB_NO_VALUE ? 0 : contents->values[step->residual].zero,
        .output_zero = output->zero,
        .output_top = output->top,
        .floats = input->type == SB_TYPE_U8 && output->type == SB_TYPE_F32};
}

sb_status sb_check_types(sb_builder *builder, const sb_step *step) {
    const sb_value *values = builder->contents.values;
    const sb_type input = values[step->input].type, output = values[step->output].type;
    if (input == SB_TYPE_F32 && output != SB_TYPE_F32)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: from f32 to codes; allowed: a conversion",
                           builder->contents.step_count);
    if (step->residual != SB_NO_VALUE && values[step->residual].type != input)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: input holds %s, residual %s; allowed: the same",
                           builder->contents.step_count, sb_type_name(input),
                           sb_type_name(values[step->residual].type));
    return SB_OK;
}

sb_status sb_check_same_codes(sb_builder *builder, const sb_step *step) {
    const sb_value *input = &builder->contents.values[step->input];
    const sb_value *output = &builder->contents.values[step->output];
    if (input->type == output->type && input->zero == output->zero && input->top == output->top)
        return SB_OK;
    return sb_complain(builder, SB_INVALID_ARGUMENT,
                       "step %zu: from %s with zero %d and top %d to %s with zero %d and top %d; "
                       "allowed: the same",
                       builder->contents.step_count, sb_type_name(input->type), input->zero,
                       input->top, sb_type_name(output->type), output->zero, output->top);
}

sb_status sb_check_part(sb_builder *builder, uint32_t part, uint32_t output) {
    const sb_status status = check_read(builder, part, "part");
    const sb_value *values = builder->contents.values;
    if (status == SB_OK && overlap(&values[part], &values[output]))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: part value %u and output value %u share memory",
                           builder->contents.step_count, part, output);
    return status;
}

sb_status sb_connect(sb_builder *builder, uint32_t input, uint32_t residual, uint32_t output,
                     sb_step *step) {
    const sb_contents *contents = &builder->contents;
    sb_status status = check_read(builder, input, "input");
    if (status != SB_OK)
        return status;
    if (output >= contents->value_count || contents->values[output].written)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: output value %u; allowed: a value nothing has written",
                           contents->step_count, output);
    if (overlap(&contents->values[input], &contents->values[output]))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: input value %u and output value %u share memory",
                           contents->step_count, input, output);
    status = check_residual(builder, residual, step, &contents->values[output]);
    if (status != SB_OK)
        return status;
    step->input = input;
    step->residual = residual;
    step->output = output;
    describe_codes(contents, step);
    sb_geometry *geometry = &step->layer.geometry;
    const sb_extent *in = &contents->values[input].extent;
    const sb_extent *out = &contents->values[output].extent;
    geometry->in_channels = in->channels;
    geometry->in_height = in->height;
    geometry->in_width = in->width;
    geometry->out_channels = out->channels;
    geometry->out_height = out->height;
    geometry->out_width = out->width;
    return SB_OK;
}

/* ---- epilogue ----------------------------------------------------------------------------- */

/* slope[k] of leaky relu: the given vector, or the same slope for all channels. */
static sb_status set_slope(sb_builder *builder, const sb_epilogue_spec *spec, size_t channels,
                           sb_epilogue *epilogue) {
    if (spec->prelu.data || spec->prelu.count)
        return sb_copy_floats(builder, &spec->prelu, channels, "prelu slopes", &epilogue->slope);
    if (!isfinite(spec->slope))
        return sb_complain(builder, SB_INVALID_ARGUMENT, "leaky relu slope is not finite");
    float *slope = sb_memory_take(&builder->contents.memory, channels, sizeof *slope);
    if (!slope)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for slopes");
    for (size_t i = 0; i < channels; ++i)
        slope[i] = spec->slope;
    epilogue->slope = slope;
    return SB_OK;
}

static sb_status set_residual_scale(sb_builder *builder, const sb_epilogue_spec *spec,
                                    sb_epilogue *epilogue) {
    if (!isfinite(spec->residual_scale))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "residual scale %g; allowed: finite numbers",
                           (double)spec->residual_scale);
    epilogue->requantize.residual_scale = spec->residual_scale;
    return SB_OK;
}

sb_status sb_set_epilogue(sb_builder *builder, const sb_epilogue_spec *spec, size_t channels,
                          sb_epilogue *epilogue) {
    if ((unsigned)spec->activation > SB_ACTIVATION_CLAMP)
        return sb_complain(builder, SB_INVALID_ARGUMENT, "activation %d is none",
                           (int)spec->activation);
    if (spec->activation == SB_ACTIVATION_CLAMP && !(spec->low <= spec->high))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "clamp: low %g, high %g; allowed: low <= high", (double)spec->low,
                           (double)spec->high);
    epilogue->activation = (sb_act)spec->activation;
    epilogue->low = spec->low;
    epilogue->high = spec->high;
    sb_status status = sb_copy_floats(builder, &spec->bias, channels, "bias", &epilogue->bias);
    if (status == SB_OK)
        status =
            sb_copy_floats(builder, &spec->post_bias, channels, "post bias", &epilogue->post_bias);
    if (status == SB_OK && spec->activation == SB_ACTIVATION_LEAKY_RELU)
        status = set_slope(builder, spec, channels, epilogue);
    if (status == SB_OK)
        status = set_residual_scale(builder, spec, epilogue);
    return status;
}

/* ---- windows ------------------------------------------------------------------------------ */

typedef struct sb_axis {
    int32_t in, out, kernel, stride, before, after, dilation;
} sb_axis;

static bool axis_fits(const sb_axis *axis) {
    if (axis->kernel < 1 || axis->kernel > SB_MAX_WINDOW || axis->stride < 1 ||
        axis->stride > SB_MAX_WINDOW || axis->before < 0 || axis->before > SB_MAX_WINDOW ||
        axis->after < 0 || axis->after > SB_MAX_WINDOW || axis->dilation < 1 ||
        axis->dilation > SB_MAX_WINDOW)
        return false;
    const int64_t reach = (int64_t)axis->dilation * (axis->kernel - 1) + 1;
    const int64_t room = (int64_t)axis->in + axis->before + axis->after - reach;
    return room >= 0 && room / axis->stride + 1 == axis->out;
}

sb_status sb_set_window(sb_builder *builder, const sb_window_spec *window, sb_geometry *geometry) {
    const sb_axis vertical = {geometry->in_height,    geometry->out_height, window->kernel_height,
                              window->stride_height,  window->padding_top,  window->padding_bottom,
                              window->dilation_height};
    const sb_axis horizontal = {geometry->in_width,    geometry->out_width,  window->kernel_width,
                                window->stride_width,  window->padding_left, window->padding_right,
                                window->dilation_width};
    if (!axis_fits(&vertical) || !axis_fits(&horizontal))
        return sb_complain(
            builder, SB_INVALID_ARGUMENT,
            "step %zu: a window of %d x %d, stride %d x %d, padding %d x %d before and "
            "%d x %d after, dilation %d x %d does not map %d x %d pixels to %d x %d",
            builder->contents.step_count, window->kernel_height, window->kernel_width,
            window->stride_height, window->stride_width, window->padding_top, window->padding_left,
            window->padding_bottom, window->padding_right, window->dilation_height,
            window->dilation_width, geometry->in_height, geometry->in_width, geometry->out_height,
            geometry->out_width);
    geometry->kernel_height = window->kernel_height;
    geometry->kernel_width = window->kernel_width;
    geometry->stride_height = window->stride_height;
    geometry->stride_width = window->stride_width;
    geometry->padding_top = window->padding_top;
    geometry->padding_left = window->padding_left;
    geometry->padding_bottom = window->padding_bottom;
    geometry->padding_right = window->padding_right;
    geometry->dilation_height = window->dilation_height;
    geometry->dilation_width = window->dilation_width;
    return SB_OK;
}
