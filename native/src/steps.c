#include "program.h"

#include <math.h>
#include <string.h>

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

static bool same_shape(const sb_value *a, const sb_value *b) {
    return a->extent.channels == b->extent.channels && a->extent.height == b->extent.height &&
           a->extent.width == b->extent.width;
}

static sb_status check_residual(sb_builder *builder, uint32_t residual, const sb_value *output) {
    if (residual == SB_NO_VALUE)
        return SB_OK;
    const sb_status status = check_read(builder, residual, "residual");
    if (status != SB_OK)
        return status;
    const sb_value *value = &builder->contents.values[residual];
    if (!same_shape(value, output) || overlap(value, output))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: residual value %u has another shape than the output, or "
                           "shares its memory",
                           builder->contents.step_count, residual);
    return SB_OK;
}

/* Fills in the step's values after checking them. */
static sb_status connect(sb_builder *builder, uint32_t input, uint32_t residual, uint32_t output,
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
    status = check_residual(builder, residual, &contents->values[output]);
    if (status != SB_OK)
        return status;
    step->input = input;
    step->residual = residual;
    step->output = output;
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

static sb_status set_epilogue(sb_builder *builder, const sb_epilogue_spec *spec, size_t channels,
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
    return status;
}

/* ---- windows ------------------------------------------------------------------------------ */

typedef struct sb_axis {
    int32_t in, out, kernel, stride, padding, dilation;
} sb_axis;

static bool axis_fits(const sb_axis *axis) {
    if (axis->kernel < 1 || axis->kernel > SB_MAX_WINDOW || axis->stride < 1 ||
        axis->stride > SB_MAX_WINDOW || axis->padding < 0 || axis->padding > SB_MAX_WINDOW ||
        axis->dilation < 1 || axis->dilation > SB_MAX_WINDOW)
        return false;
    const int64_t reach = (int64_t)axis->dilation * (axis->kernel - 1) + 1;
    const int64_t room = (int64_t)axis->in + 2 * (int64_t)axis->padding - reach;
    return room >= 0 && room / axis->stride + 1 == axis->out;
}

static sb_status set_window(sb_builder *builder, const sb_window_spec *window,
                            sb_geometry *geometry) {
    const sb_axis vertical = {geometry->in_height,    geometry->out_height,
                              window->kernel_height,  window->stride_height,
                              window->padding_height, window->dilation_height};
    const sb_axis horizontal = {geometry->in_width,    geometry->out_width,
                                window->kernel_width,  window->stride_width,
                                window->padding_width, window->dilation_width};
    if (!axis_fits(&vertical) || !axis_fits(&horizontal))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: a window of %d x %d, stride %d x %d, padding %d x %d, "
                           "dilation %d x %d does not map %d x %d pixels to %d x %d",
                           builder->contents.step_count, window->kernel_height,
                           window->kernel_width, window->stride_height, window->stride_width,
                           window->padding_height, window->padding_width, window->dilation_height,
                           window->dilation_width, geometry->in_height, geometry->in_width,
                           geometry->out_height, geometry->out_width);
    geometry->kernel_height = window->kernel_height;
    geometry->kernel_width = window->kernel_width;
    geometry->stride_height = window->stride_height;
    geometry->stride_width = window->stride_width;
    geometry->padding_height = window->padding_height;
    geometry->padding_width = window->padding_width;
    geometry->dilation_height = window->dilation_height;
    geometry->dilation_width = window->dilation_width;
    return SB_OK;
}

/* ---- steps -------------------------------------------------------------------------------- */

static sb_status set_direct_kernel(sb_builder *builder, const char *op, sb_step *step) {
    const sb_kernel_query query = {"direct", op, builder->isa, 0, SB_MAX_VECTORS};
    step->kernel = sb_registry_find(&query);
    if (!step->kernel)
        return sb_complain(builder, SB_UNSUPPORTED, "no kernel for %s", op);
    return SB_OK;
}

sb_status sb_builder_add_conv2d(sb_builder *builder, const sb_conv2d_spec *spec) {
    if (!builder || !spec)
        return SB_INVALID_ARGUMENT;
    sb_step step = {0};
    sb_geometry *geometry = &step.layer.geometry;
    sb_status status = connect(builder, spec->input, spec->epilogue.residual, spec->output, &step);
    if (status == SB_OK)
        status = set_window(builder, &spec->window, geometry);
    if (status == SB_OK && (spec->groups < 1 || geometry->in_channels % spec->groups ||
                            geometry->out_channels % spec->groups))
        status = sb_complain(builder, SB_INVALID_ARGUMENT,
                             "step %zu: %d groups; allowed: a divisor of %d and %d channels",
                             builder->contents.step_count, spec->groups, geometry->in_channels,
                             geometry->out_channels);
    geometry->groups = spec->groups;
    if (status == SB_OK)
        status = set_epilogue(builder, &spec->epilogue, (size_t)geometry->out_channels,
                              &step.layer.epilogue);
    if (status == SB_OK)
        status = sb_install_weights(builder, &spec->weight, "conv2d", &step);
    return status == SB_OK ? sb_append_step(builder, &step) : status;
}

sb_status sb_builder_add_linear(sb_builder *builder, const sb_linear_spec *spec) {
    if (!builder || !spec)
        return SB_INVALID_ARGUMENT;
    sb_step step = {0};
    sb_geometry *geometry = &step.layer.geometry;
    const sb_window_spec point = {1, 1, 1, 1, 0, 0, 1, 1};
    sb_status status = connect(builder, spec->input, spec->epilogue.residual, spec->output, &step);
    if (status == SB_OK && (geometry->in_height != 1 || geometry->in_width != 1))
        status = sb_complain(builder, SB_INVALID_ARGUMENT,
                             "step %zu: linear reads [N, C], not %d x %d pixels",
                             builder->contents.step_count, geometry->in_height, geometry->in_width);
    if (status == SB_OK)
        status = set_window(builder, &point, geometry);
    geometry->groups = 1;
    if (status == SB_OK)
        status = set_epilogue(builder, &spec->epilogue, (size_t)geometry->out_channels,
                              &step.layer.epilogue);
    if (status == SB_OK)
        status = sb_install_weights(builder, &spec->weight, "linear", &step);
    return status == SB_OK ? sb_append_step(builder, &step) : status;
}

static sb_status check_pool(sb_builder *builder, const sb_pool_spec *spec,
                            const sb_geometry *geometry) {
    if (spec->kind != SB_POOL_MAX && spec->kind != SB_POOL_AVERAGE)
        return sb_complain(builder, SB_INVALID_ARGUMENT, "pool kind %d is none", (int)spec->kind);
    if (geometry->in_channels != geometry->out_channels)
        return sb_complain(builder, SB_INVALID_ARGUMENT, "pooling keeps %d channels, not %d",
                           geometry->in_channels, geometry->out_channels);
    if (geometry->padding_height >= geometry->kernel_height ||
        geometry->padding_width >= geometry->kernel_width)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "pool padding %d x %d; allowed: less than the kernel, %d x %d",
                           geometry->padding_height, geometry->padding_width,
                           geometry->kernel_height, geometry->kernel_width);
    if (spec->kind == SB_POOL_AVERAGE &&
        (geometry->dilation_height != 1 || geometry->dilation_width != 1))
        return sb_complain(builder, SB_INVALID_ARGUMENT, "average pooling has dilation 1");
    return SB_OK;
}

/* One window, without padding. */
static bool covers_image(const sb_geometry *geometry) {
    return geometry->kernel_height == geometry->in_height &&
           geometry->kernel_width == geometry->in_width && !geometry->padding_height &&
           !geometry->padding_width;
}

sb_status sb_builder_add_pool2d(sb_builder *builder, const sb_pool_spec *spec) {
    if (!builder || !spec)
        return SB_INVALID_ARGUMENT;
    sb_step step = {0};
    sb_status status = connect(builder, spec->input, SB_NO_VALUE, spec->output, &step);
    step.layer.geometry.groups = 1;
    step.layer.count_include_pad = spec->count_include_pad;
    if (status == SB_OK)
        status = set_window(builder, &spec->window, &step.layer.geometry);
    if (status == SB_OK)
        status = check_pool(builder, spec, &step.layer.geometry);
    if (status == SB_OK)
        status = set_direct_kernel(builder, spec->kind == SB_POOL_MAX ? "max_pool2d" : "avg_pool2d",
                                   &step);
    if (status == SB_OK && spec->kind == SB_POOL_AVERAGE && covers_image(&step.layer.geometry))
        status = sb_place_whole_image(builder, &step);
    else if (status == SB_OK)
        status = sb_place_windows(builder, spec->kind == SB_POOL_MAX ? -INFINITY : 0.0f, &step);
    return status == SB_OK ? sb_append_step(builder, &step) : status;
}

/* Per-channel arrays or a residual; without them, only pixels matter. */
static bool shaped(const sb_elementwise_spec *spec) {
    const sb_epilogue_spec *epilogue = &spec->epilogue;
    return spec->scale.data || epilogue->bias.data || epilogue->prelu.data ||
           epilogue->post_bias.data || epilogue->residual != SB_NO_VALUE ||
           epilogue->activation != SB_ACTIVATION_NONE;
}

static sb_status check_elementwise(sb_builder *builder, const sb_elementwise_spec *spec) {
    const sb_value *input = &builder->contents.values[spec->input];
    const sb_value *output = &builder->contents.values[spec->output];
    const bool same = same_shape(input, output);
    if (input->elements != output->elements || (!same && (shaped(spec) || output->view.lanes)))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: elementwise from %d x %d x %d to %d x %d x %d",
                           builder->contents.step_count, input->extent.channels,
                           input->extent.height, input->extent.width, output->extent.channels,
                           output->extent.height, output->extent.width);
    return SB_OK;
}

sb_status sb_builder_add_elementwise(sb_builder *builder, const sb_elementwise_spec *spec) {
    if (!builder || !spec)
        return SB_INVALID_ARGUMENT;
    sb_step step = {0};
    const sb_window_spec point = {1, 1, 1, 1, 0, 0, 1, 1};
    sb_status status = connect(builder, spec->input, spec->epilogue.residual, spec->output, &step);
    if (status == SB_OK)
        status = check_elementwise(builder, spec);
    if (status != SB_OK)
        return status;
    sb_epilogue *epilogue = &step.layer.epilogue;
    const size_t channels = (size_t)step.layer.geometry.in_channels;
    step.layer.geometry.groups = 1;
    status = set_epilogue(builder, &spec->epilogue, channels, epilogue);
    if (status == SB_OK)
        status = sb_copy_floats(builder, &spec->scale, channels, "scale", &epilogue->scale);
    if (status == SB_OK)
        status = sb_complete_epilogue(builder, channels, epilogue);
    if (status == SB_OK)
        status = set_direct_kernel(builder, "elementwise", &step);
    if (status == SB_OK && !shaped(spec))
        status = sb_place_relay(builder, &step);
    else if (status == SB_OK)
        status = set_window(builder, &point, &step.layer.geometry);
    if (status == SB_OK && !step.relays)
        status = sb_place_windows(builder, 0.0f, &step);
    return status == SB_OK ? sb_append_step(builder, &step) : status;
}

sb_status sb_builder_add_subsample_pad(sb_builder *builder, const sb_subsample_spec *spec) {
    if (!builder || !spec)
        return SB_INVALID_ARGUMENT;
    sb_step step = {0};
    sb_geometry *geometry = &step.layer.geometry;
    const sb_window_spec point = {1, 1, spec->stride_height, spec->stride_width, 0, 0, 1, 1};
    sb_status status = connect(builder, spec->input, SB_NO_VALUE, spec->output, &step);
    if (status == SB_OK)
        status = set_window(builder, &point, geometry);
    if (status == SB_OK &&
        (spec->channels_before < 0 || geometry->in_channels > geometry->out_channels ||
         spec->channels_before > geometry->out_channels - geometry->in_channels))
        status = sb_complain(builder, SB_INVALID_ARGUMENT,
                             "step %zu: %d channels after %d others do not fit %d",
                             builder->contents.step_count, geometry->in_channels,
                             spec->channels_before, geometry->out_channels);
    geometry->groups = 1;
    step.layer.channels_before = spec->channels_before;
    if (status == SB_OK)
        status = set_direct_kernel(builder, "subsample_pad", &step);
    if (status == SB_OK)
        status = sb_place_windows(builder, 0.0f, &step);
    return status == SB_OK ? sb_append_step(builder, &step) : status;
}
