#include "connect.h"

#include <math.h>

static sb_status set_direct_kernel(sb_builder *builder, const char *op, sb_step *step) {
    const sb_type type = builder->contents.values[step->input].type;
    const sb_kernel_query query = {"direct", op, builder->isa, type, 0, SB_MAX_VECTORS, false};
    return sb_find_kernel(builder, &query, step);
}

sb_status sb_builder_add_conv2d(sb_builder *builder, const sb_conv2d_spec *spec) {
    if (!builder || !spec)
        return SB_INVALID_ARGUMENT;
    sb_step step = {0};
    sb_geometry *geometry = &step.layer.geometry;
    sb_status status =
        sb_connect(builder, spec->input, spec->epilogue.residual, spec->output, &step);
    if (status == SB_OK)
        status = sb_check_types(builder, &step);
    if (status == SB_OK)
        status = sb_set_window(builder, &spec->window, geometry);
    if (status == SB_OK && (spec->groups < 1 || geometry->in_channels % spec->groups ||
                            geometry->out_channels % spec->groups))
        status = sb_complain(builder, SB_INVALID_ARGUMENT,
                             "step %zu: %d groups; allowed: a divisor of %d and %d channels",
                             builder->contents.step_count, spec->groups, geometry->in_channels,
                             geometry->out_channels);
    geometry->groups = spec->groups;
    if (status == SB_OK)
        status = sb_set_epilogue(builder, &spec->epilogue, (size_t)geometry->out_channels,
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
    sb_status status =
        sb_connect(builder, spec->input, spec->epilogue.residual, spec->output, &step);
    if (status == SB_OK)
        status = sb_check_types(builder, &step);
    if (status == SB_OK && (geometry->in_height != 1 || geometry->in_width != 1))
        status = sb_complain(builder, SB_INVALID_ARGUMENT,
                             "step %zu: linear reads [N, C], not %d x %d pixels",
                             builder->contents.step_count, geometry->in_height, geometry->in_width);
    if (status == SB_OK)
        status = sb_set_window(builder, &point, geometry);
    geometry->groups = 1;
    if (status == SB_OK)
        status = sb_set_epilogue(builder, &spec->epilogue, (size_t)geometry->out_channels,
                                 &step.layer.epilogue);
    if (status == SB_OK)
        status = sb_install_weights(builder, &spec->weight, "linear", &step);
    return status == SB_OK ? sb_append_step(builder, &step) : status;
}

/* One window, without padding. */
static bool covers_image(const sb_geometry *geometry) {
    return geometry->kernel_height == geometry->in_height &&
           geometry->kernel_width == geometry->in_width && !geometry->padding_height &&
           !geometry->padding_width;
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

/* Averages of codes have a factor, and their sums must fit int32. */
static sb_status set_average(sb_builder *builder, const sb_pool_spec *spec, sb_step *step) {
    const sb_geometry *geometry = &step->layer.geometry;
    const sb_value *input = &builder->contents.values[step->input];
    const int64_t taps = (int64_t)geometry->kernel_height * geometry->kernel_width;
    if (spec->kind != SB_POOL_AVERAGE || input->type != SB_TYPE_U8)
        return spec->kind == SB_POOL_MAX ? sb_check_same_codes(builder, step) : SB_OK;
    if (!isfinite(spec->scale))
        return sb_complain(builder, SB_INVALID_ARGUMENT, "pool scale %g; allowed: finite numbers",
                           (double)spec->scale);
    if (taps > INT32_MAX / input->top)
        return sb_complain(builder, SB_UNSUPPORTED, "the sum of %lld codes does not fit int32",
                           (long long)taps);
    step->layer.epilogue.scale = sb_repeat(builder, (size_t)geometry->out_channels, spec->scale);
    return step->layer.epilogue.scale
               ? SB_OK
               : sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for pool scales");
}

static sb_status place_pool(sb_builder *builder, const sb_pool_spec *spec, sb_step *step) {
    const sb_value *input = &builder->contents.values[step->input];
    const float lowest = input->type == SB_TYPE_U8 ? 0.0f : -INFINITY;
    if (spec->kind == SB_POOL_AVERAGE && covers_image(&step->layer.geometry))
        return sb_place_whole_image(builder, step);
    return sb_place_windows(builder, spec->kind == SB_POOL_MAX ? lowest : (float)input->zero, step);
}

sb_status sb_builder_add_pool2d(sb_builder *builder, const sb_pool_spec *spec) {
    if (!builder || !spec)
        return SB_INVALID_ARGUMENT;
    sb_step step = {0};
    sb_status status = sb_connect(builder, spec->input, SB_NO_VALUE, spec->output, &step);
    step.layer.geometry.groups = 1;
    step.layer.count_include_pad = spec->count_include_pad;
    if (status == SB_OK)
        status = sb_check_types(builder, &step);
    if (status == SB_OK)
        status = sb_set_window(builder, &spec->window, &step.layer.geometry);
    if (status == SB_OK)
        status = check_pool(builder, spec, &step.layer.geometry);
    if (status == SB_OK)
        status = set_direct_kernel(builder, spec->kind == SB_POOL_MAX ? "max_pool2d" : "avg_pool2d",
                                   &step);
    if (status == SB_OK)
        status = set_average(builder, spec, &step);
    if (status == SB_OK)
        status = place_pool(builder, spec, &step);
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
    const bool same = sb_same_shape(input, output);
    if (input->elements != output->elements || (!same && (shaped(spec) || output->view.lanes)))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: elementwise from %d x %d x %d to %d x %d x %d",
                           builder->contents.step_count, input->extent.channels,
                           input->extent.height, input->extent.width, output->extent.channels,
                           output->extent.height, output->extent.width);
    return SB_OK;
}

/* A step whose kernel takes the input's view straight to the output's: a copy, also into another
 * shape (flatten). */
static sb_status relay(sb_builder *builder, sb_step *step) {
    const sb_type type = builder->contents.values[step->input].type;
    const sb_status status = sb_check_same_codes(builder, step);
    if (status != SB_OK)
        return status;
    step->kernel = builder->contents.stages[type].relayout;
    sb_place_relay(builder, step);
    return sb_append_step(builder, step);
}

sb_status sb_builder_add_elementwise(sb_builder *builder, const sb_elementwise_spec *spec) {
    if (!builder || !spec)
        return SB_INVALID_ARGUMENT;
    sb_step step = {0};
    const sb_window_spec point = {1, 1, 1, 1, 0, 0, 1, 1};
    sb_status status =
        sb_connect(builder, spec->input, spec->epilogue.residual, spec->output, &step);
    if (status == SB_OK)
        status = sb_check_types(builder, &step);
    if (status == SB_OK)
        status = check_elementwise(builder, spec);
    if (status != SB_OK)
        return status;
    sb_epilogue *epilogue = &step.layer.epilogue;
    const size_t channels = (size_t)step.layer.geometry.in_channels;
    step.layer.geometry.groups = 1;
    status = sb_set_epilogue(builder, &spec->epilogue, channels, epilogue);
    if (status == SB_OK)
        status = sb_copy_floats(builder, &spec->scale, channels, "scale", &epilogue->scale);
    if (status == SB_OK)
        status = sb_complete_epilogue(builder, channels, epilogue);
    if (status == SB_OK && !shaped(spec))
        return relay(builder, &step);
    if (status == SB_OK)
        status = set_direct_kernel(builder, "elementwise", &step);
    if (status == SB_OK)
        status = sb_set_window(builder, &point, &step.layer.geometry);
    if (status == SB_OK)
        status = sb_place_windows(builder, 0.0f, &step);
    return status == SB_OK ? sb_append_step(builder, &step) : status;
}

sb_status sb_builder_add_subsample_pad(sb_builder *builder, const sb_subsample_spec *spec) {
    if (!builder || !spec)
        return SB_INVALID_ARGUMENT;
    sb_step step = {0};
    sb_geometry *geometry = &step.layer.geometry;
    const sb_window_spec point = {1, 1, spec->stride_height, spec->stride_width, 0, 0, 1, 1};
    sb_status status = sb_connect(builder, spec->input, SB_NO_VALUE, spec->output, &step);
    if (status == SB_OK)
        status = sb_set_window(builder, &point, geometry);
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
        status = sb_check_same_codes(builder, &step);
    if (status == SB_OK)
        status = set_direct_kernel(builder, "subsample_pad", &step);
    if (status == SB_OK)
        status = sb_place_windows(builder, 0.0f, &step);
    return status == SB_OK ? sb_append_step(builder, &step) : status;
}

sb_status sb_builder_add_convert(sb_builder *builder, const sb_convert_spec *spec) {
    if (!builder || !spec)
        return SB_INVALID_ARGUMENT;
    sb_step step = {0};
    const sb_status status = sb_connect(builder, spec->input, SB_NO_VALUE, spec->output, &step);
    if (status != SB_OK)
        return status;
    const sb_value *input = &builder->contents.values[spec->input];
    const sb_value *output = &builder->contents.values[spec->output];
    if (input->type == output->type || !sb_same_shape(input, output))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: a conversion from %s to %s; allowed: between f32 and codes, "
                           "of one shape",
                           builder->contents.step_count, sb_type_name(input->type),
                           sb_type_name(output->type));
    if (!isfinite(spec->factor) || spec->factor <= 0.0f)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "factor %g of a conversion; allowed: finite, above 0",
                           (double)spec->factor);
    const char *op = output->type == SB_TYPE_U8 ? "quantize" : "dequantize";
    step.kernel = sb_registry_stage(op, builder->isa, SB_TYPE_U8);
    step.layer.factor = spec->factor;
    sb_place_relay(builder, &step);
    if (output->type == SB_TYPE_U8 && !sb_reserve_quantize(&step.layer, &step))
        return sb_complain(builder, SB_OVERFLOW, "step %zu: its scratch does not fit memory",
                           builder->contents.step_count);
    return sb_append_step(builder, &step);
}
