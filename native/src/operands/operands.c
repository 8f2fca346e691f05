#include "operands.h"

#include "checked.h"
#include "complain.h"
#include "kernels/dense/product_format.h"
#include "kernels/factor.h"
#include "kernels/view.h"
#include "step.h"
#include "view_plan.h"

enum { ALIGNMENT = 64 };

static sb_geometry extent_geometry(const sb_extent *extent) {
    return (sb_geometry){.in_channels = extent->channels,
                         .in_height = extent->height,
                         .in_width = extent->width,
                         .out_channels = extent->channels,
                         .out_height = extent->height,
                         .out_width = extent->width,
                         .groups = 1};
}

bool sb_reserve_quantize(const sb_layer *layer, sb_step *step) {
    const sb_view *view = &layer->output;
    size_t bytes = sizeof(sb_code);
    if (!view->lanes)
        return true;
    const size_t columns =
        2 * (size_t)sb_row_margin(view, view->lanes) + (size_t)view->blocks_x * view->block_width;
    if (!sb_checked_multiply(&bytes, (size_t)view->blocks_y) ||
        !sb_checked_multiply(&bytes, columns) || !sb_checked_add(&bytes, ALIGNMENT - 1))
        return false;
    step->share_scratch_bytes = bytes / ALIGNMENT * ALIGNMENT;
    return true;
}

/* A private copy of a value in the view the kernel wants, or the other way round. */
static sb_status add_copy(sb_builder *builder, sb_step *step, uint32_t index, const sb_view *view,
                          sb_copy *copy) {
    const sb_value *value = &builder->contents.values[index];
    const size_t size = sb_type_bytes(value->type);
    size_t elements;
    if (!sb_view_elements(view, &value->extent, &elements) || elements > SIZE_MAX / size)
        return sb_complain(builder, SB_OVERFLOW, "step %zu: a copy of value %u does not fit memory",
                           builder->contents.step_count, index);
    copy->kernel = builder->contents.stages[value->type].relayout;
    copy->layer.geometry = extent_geometry(&value->extent);
    return sb_reserve(builder, step, elements * size, &copy->offset_bytes);
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

/* The lane-blocked view the kernel writes: the value's own, or a private one. Kernels that read
 * codes have their lanes, also where they write float32. */
static sb_status place_output(sb_builder *builder, sb_step *step) {
    const sb_value *value = &builder->contents.values[step->output];
    const sb_type type = builder->contents.values[step->input].type;
    sb_layer *layer = &step->layer;
    layer->output = value->view;
    step->fills_halo = sb_view_has_halo(&value->view);
    if (value->view.lanes && value->type == type)
        return SB_OK;
    step->fills_halo = false;
    sb_view_cut(&value->extent, sb_isa_lanes(builder->isa, type), &layer->output);
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

/* Whether positions outside the image hold what the step wants: only padding reads them. Where a
 * value has no halo nobody fills those that its blocks have beyond the last row or column. */
static bool fill_suits(const sb_value *value, const sb_geometry *geometry, float fill) {
    if (!geometry->padding_top && !geometry->padding_left && !geometry->padding_bottom &&
        !geometry->padding_right)
        return true;
    if (!sb_view_has_halo(&value->view))
        return false;
    return value->view.fill == fill ||
           (value->type == SB_TYPE_F32 && fill < 0.0f && value->not_negative);
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
    needed.pitch =
        sb_view_pitch(value->extent.channels, (size_t)needed.lanes * sb_type_bytes(value->type));
    needed.fill = fill;
    layer->input = needed;
    return copy_in(builder, step, step->input, &needed, &step->input_copy);
}

static sb_factor factor_of(const sb_value *value, const sb_extent *output) {
    const sb_extent *extent = &value->extent;
    const bool channels = extent->channels == output->channels;
    const bool pixels = extent->height == output->height && extent->width == output->width;
    if (channels && pixels)
        return SB_FACTOR_SAME;
    return channels ? SB_FACTOR_OF_CHANNEL : pixels ? SB_FACTOR_OF_PIXEL : SB_FACTOR_ONE;
}

sb_status sb_place_product(sb_builder *builder, sb_step *step) {
    const uint32_t residual = step->residual;
    const sb_value *value = &builder->contents.values[residual];
    const sb_factor factor = factor_of(value, &builder->contents.values[step->output].extent);
    const sb_view plain = {0};
    step->layer.whole[0] = (int32_t)factor;
    if (factor == SB_FACTOR_SAME || factor == SB_FACTOR_OF_PIXEL)
        return sb_place_windows(builder, 0.0f, step);
    step->residual = SB_NO_VALUE;
    const sb_status status = sb_place_windows(builder, 0.0f, step);
    step->residual = residual;
    step->layer.residual = plain;
    if (status != SB_OK || !value->view.lanes)
        return status;
    return copy_in(builder, step, residual, &plain, &step->residual_copy);
}

/* Windows may read a step beyond the end of the image. */
sb_status sb_place_bytes(sb_builder *builder, float fill, sb_step *step) {
    const sb_value *value = &builder->contents.values[step->input];
    sb_layer *layer = &step->layer;
    sb_copy *copy = &step->input_copy;
    size_t bytes;
    sb_status status = place_output(builder, step);
    if (status == SB_OK)
        status = place_residual(builder, step);
    if (status != SB_OK)
        return status;
    if (!sb_view_of_bytes(&layer->geometry, &layer->input) ||
        !sb_view_elements(&layer->input, &value->extent, &bytes))
        return sb_complain(builder, SB_OVERFLOW, "step %zu: its windows do not fit 32 bits",
                           builder->contents.step_count);
    layer->input.fill = fill;
    copy->kernel = sb_registry_stage("bytes", builder->isa, SB_TYPE_U8);
    copy->layer = (sb_layer){
        .geometry = extent_geometry(&value->extent), .input = value->view, .output = layer->input};
    const sb_geometry *windows = &layer->geometry;
    copy->layer.geometry.stride_height =
        sb_byte_step(windows->kernel_height, windows->stride_height,
                     windows->padding_top + windows->padding_bottom);
    copy->layer.geometry.stride_width =
        sb_byte_step(windows->kernel_width, windows->stride_width,
                     windows->padding_left + windows->padding_right);
    return sb_reserve(builder, step, bytes + SB_MOST_STEP_BYTES, &copy->offset_bytes);
}

sb_status sb_place_whole_image(sb_builder *builder, sb_step *step) {
    const sb_value *input = &builder->contents.values[step->input];
    const sb_value *output = &builder->contents.values[step->output];
    sb_layer *layer = &step->layer;
    sb_status status = SB_OK;
    layer->whole_image = true;
    layer->input = input->view;
    if (!input->view.lanes) {
        sb_view_cut(&input->extent, sb_isa_lanes(builder->isa, input->type), &layer->input);
        status = copy_in(builder, step, step->input, &layer->input, &step->input_copy);
    }
    if (status == SB_OK && output->view.lanes)
        status = copy_out(builder, step, &layer->output);
    return status;
}

void sb_place_relay(sb_builder *builder, sb_step *step) {
    const sb_value *input = &builder->contents.values[step->input];
    step->layer.geometry = extent_geometry(&input->extent);
    step->layer.input = input->view;
    step->layer.output = builder->contents.values[step->output].view;
}

/* The part in the blocks of the output: its own view, or a private one. */
static sb_status place_part(sb_builder *builder, sb_step *step, sb_part *part) {
    const sb_value *value = &builder->contents.values[part->value];
    part->layer.input = value->view;
    if (sb_view_same_blocks(&value->view, &step->layer.output))
        return SB_OK;
    part->layer.input = step->layer.output;
    part->layer.input.top = part->layer.input.bottom = 0;
    part->layer.input.left = part->layer.input.right = 0;
    part->layer.input.pitch = value->extent.channels;
    part->copy.layer.input = value->view;
    part->copy.layer.output = part->layer.input;
    return add_copy(builder, step, part->value, &part->layer.input, &part->copy);
}

sb_status sb_place_parts(sb_builder *builder, sb_step *step) {
    sb_status status = place_output(builder, step);
    for (size_t i = 0; status == SB_OK && i < step->part_count; ++i) {
        step->parts[i].layer.output = step->layer.output;
        status = place_part(builder, step, &step->parts[i]);
    }
    return status;
}

static sb_status check_batch(sb_builder *builder, uint32_t value) {
    if (value == SB_NO_VALUE || builder->contents.values[value].place != SB_PLACE_ARENA)
        return SB_OK;
    return sb_complain(builder, SB_INVALID_ARGUMENT,
                       "step %zu: value %u exists for one image at a time; allowed: the input, the "
                       "output or a value of the batch",
                       builder->contents.step_count, value);
}

sb_status sb_place_batch(sb_builder *builder, sb_step *step) {
    const uint32_t values[] = {step->input, step->residual, step->output};
    sb_status status = SB_OK;
    for (int i = 0; status == SB_OK && i < 3; ++i)
        status = check_batch(builder, values[i]);
    for (size_t i = 0; status == SB_OK && i < step->part_count; ++i)
        status = check_batch(builder, step->parts[i].value);
    step->late = true;
    return status;
}

sb_status sb_place_plain(sb_builder *builder, sb_step *step) {
    const sb_value *values = builder->contents.values;
    const sb_view plain = {0};
    sb_status status = SB_OK;
    if (values[step->input].view.lanes)
        status = copy_in(builder, step, step->input, &plain, &step->input_copy);
    if (status == SB_OK && step->residual != SB_NO_VALUE && values[step->residual].view.lanes)
        status = copy_in(builder, step, step->residual, &plain, &step->residual_copy);
    if (status == SB_OK && values[step->output].view.lanes)
        status = copy_out(builder, step, &plain);
    return status;
}

sb_status sb_place_layer(sb_builder *builder, sb_step *step) {
    if (step->whole_batch)
        return sb_place_batch(builder, step);
    if (step->linear)
        return sb_place_plain(builder, step);
    return sb_place_windows(builder, (float)step->layer.epilogue.requantize.input_zero, step);
}
