#include "program.h"

#include "checked.h"

enum { ALIGNMENT_FLOATS = 16 };

sb_status sb_reserve(sb_builder *builder, sb_step *step, size_t floats, size_t *offset) {
    *offset = step->scratch_floats;
    size_t end = step->scratch_floats;
    if (!sb_checked_add(&end, floats) || !sb_checked_add(&end, ALIGNMENT_FLOATS - 1))
        return sb_complain(builder, SB_OVERFLOW, "step %zu: its scratch does not fit memory",
                           builder->contents.step_count);
    step->scratch_floats = end / ALIGNMENT_FLOATS * ALIGNMENT_FLOATS;
    return SB_OK;
}

static sb_geometry extent_geometry(const sb_extent *extent) {
    return (sb_geometry){.in_channels = extent->channels,
                         .in_height = extent->height,
                         .in_width = extent->width,
                         .out_channels = extent->channels,
                         .out_height = extent->height,
                         .out_width = extent->width,
                         .groups = 1};
}

/* A private copy of a value in the view the kernel wants, or the other way round. */
static sb_status add_copy(sb_builder *builder, sb_step *step, uint32_t value, const sb_view *view,
                          sb_copy *copy) {
    const sb_extent *extent = &builder->contents.values[value].extent;
    size_t floats;
    if (!sb_view_floats(view, extent, &floats))
        return sb_complain(builder, SB_OVERFLOW, "step %zu: a copy of value %u does not fit memory",
                           builder->contents.step_count, value);
    copy->needed = true;
    copy->layer.geometry = extent_geometry(extent);
    return sb_reserve(builder, step, floats, &copy->offset_floats);
}

static sb_status copy_in(sb_builder *builder, sb_step *step, uint32_t value, const sb_view *view,
                         sb_copy *copy) {
    copy->layer.input = builder->contents.values[value].view;
    copy->layer.output = *view;
    return add_copy(builder, step, value, view, copy);
}

static sb_status copy_out(sb_builder *builder, sb_step *step, const sb_view *view) {
    step->output_copy.layer.input = *view;
    step->output_copy.layer.output = builder->contents.values[step->output].view;
    return add_copy(builder, step, step->output, view, &step->output_copy);
}

/* The lane-blocked view the kernel writes: the value's own, or a private one. */
static sb_status place_output(sb_builder *builder, sb_step *step) {
    const sb_value *value = &builder->contents.values[step->output];
    sb_layer *layer = &step->layer;
    layer->output = value->view;
    step->fills_halo = sb_view_has_halo(&value->view);
    if (value->view.lanes)
        return SB_OK;
    sb_view_cut(&value->extent, builder->lanes, &layer->output);
    return copy_out(builder, step, &layer->output);
}

static sb_status place_residual(sb_builder *builder, sb_step *step) {
    if (step->residual == SB_NO_VALUE)
        return SB_OK;
    const sb_value *value = &builder->contents.values[step->residual];
    sb_layer *layer = &step->layer;
    layer->residual = value->view;
    if (sb_view_same_blocks(&value->view, &layer->output))
        return SB_OK;
    layer->residual = layer->output;
    layer->residual.top = layer->residual.bottom = 0;
    layer->residual.left = layer->residual.right = 0;
    layer->residual.pitch = value->extent.channels;
    return copy_in(builder, step, step->residual, &layer->residual, &step->residual_copy);
}

/* Whether positions outside the image hold what the step wants: only padding reads them. */
static bool fill_suits(const sb_value *value, const sb_geometry *geometry, float fill) {
    if (!geometry->padding_height && !geometry->padding_width)
        return true;
    return value->view.fill == fill || (fill < 0.0f && value->not_negative);
}

sb_status sb_place_windows(sb_builder *builder, float fill, sb_step *step) {
    const sb_value *value = &builder->contents.values[step->input];
    sb_layer *layer = &step->layer;
    sb_view needed;
    sb_status status = place_output(builder, step);
    if (status == SB_OK)
        status = place_residual(builder, step);
    if (status != SB_OK)
        return status;
    if (!sb_view_under(&layer->geometry, &layer->output, &needed))
        return sb_complain(builder, SB_OVERFLOW, "step %zu: its windows do not fit 32 bits",
                           builder->contents.step_count);
    layer->input = value->view;
    if (sb_view_covers(&value->view, &needed) && fill_suits(value, &layer->geometry, fill))
        return SB_OK;
    needed.pitch = sb_view_pitch(value->extent.channels, needed.lanes);
    needed.fill = fill;
    layer->input = needed;
    return copy_in(builder, step, step->input, &needed, &step->input_copy);
}

sb_status sb_place_whole_image(sb_builder *builder, sb_step *step) {
    const sb_value *input = &builder->contents.values[step->input];
    const sb_value *output = &builder->contents.values[step->output];
    sb_layer *layer = &step->layer;
    sb_status status = SB_OK;
    layer->whole_image = true;
    layer->input = input->view;
    if (!input->view.lanes) {
        sb_view_cut(&input->extent, builder->lanes, &layer->input);
        status = copy_in(builder, step, step->input, &layer->input, &step->input_copy);
    }
    if (status == SB_OK && output->view.lanes)
        status = copy_out(builder, step, &layer->output);
    return status;
}

sb_status sb_place_relay(sb_builder *builder, sb_step *step) {
    const sb_value *input = &builder->contents.values[step->input];
    const sb_value *output = &builder->contents.values[step->output];
    step->relays = true;
    step->input_copy.layer.geometry = extent_geometry(&input->extent);
    step->input_copy.layer.input = input->view;
    step->input_copy.layer.output = output->view;
    return SB_OK;
}

/* Linear layers see plain values of the whole batch, as they are. */
sb_status sb_place_batch(sb_builder *builder, sb_step *step) {
    const uint32_t values[] = {step->input, step->residual, step->output};
    for (int i = 0; i < 3; ++i)
        if (values[i] != SB_NO_VALUE && builder->contents.values[values[i]].place == SB_PLACE_ARENA)
            return sb_complain(builder, SB_INVALID_ARGUMENT,
                               "step %zu: value %u exists for one image at a time; allowed: the "
                               "input, the output or a value of the batch",
                               builder->contents.step_count, values[i]);
    step->late = true;
    return SB_OK;
}
