#include "codes.h"

#include "checked.h"
#include "complain.h"
#include "kernels/view.h"
#include "operands/centre.h"
#include "operands/view_plan.h"
#include "step.h"

sb_status sb_check_mode(const sb_weight_job *job) {
    const sb_walk_mode mode = job->spec->tile.mode;
    if (mode != SB_WALK_DEFAULT && mode != SB_WALK_TWO_GROUPS)
        return sb_complain(job->builder, SB_INVALID_ARGUMENT, "tile: walk mode %d is none of sums",
                           (int)mode);
    return SB_OK;
}

/* Where every A is S or -S, the sign moves to the scale: (-S) * scale and S * (-scale) are the same
 * float, and where S is 0 only the sign of a zero differs, which no code shows. */
static void move_signs(sb_layer *layer, size_t filters, const float *scale, float *factor,
                       int32_t *flips, int32_t *shifts) {
    for (size_t k = 0; k < filters; ++k)
        if (shifts[k] != -flips[k])
            return;
    for (size_t k = 0; k < filters; ++k) {
        factor[k] = flips[k] ? -scale[k] : scale[k];
        flips[k] = shifts[k] = 0;
    }
    layer->epilogue.scale = factor;
    layer->sums.plain = true;
}

sb_status sb_set_factors(const sb_weight_job *job, int32_t radix, const int32_t *lift) {
    sb_memory *memory = &job->builder->contents.memory;
    const sb_code_spec *codes = &job->codes;
    const size_t filters = (size_t)codes->filters;
    sb_layer *layer = &job->step->layer;
    float *factor = sb_memory_take(memory, filters, sizeof *factor);
    float *shift = sb_memory_take(memory, filters, sizeof *shift);
    int32_t *flips = sb_memory_take(memory, filters, sizeof *flips);
    int32_t *twice = sb_memory_take(memory, filters, sizeof *twice);
    int32_t *shifts = sb_memory_take(memory, filters, sizeof *shifts);
    if (!factor || !shift || !flips || !twice || !shifts)
        return sb_complain(job->builder, SB_OUT_OF_MEMORY, "no memory for the factors of a layer");
    if (sb_input_type(job) == SB_TYPE_F32) {
        sb_pack_factors(codes, radix, factor, shift);
        layer->epilogue.scale = factor;
        layer->epilogue.offset = shift;
        return SB_OK;
    }
    const bool binary =
        sb_pack_sums(codes, radix, layer->epilogue.requantize.input_zero, flips, twice, shifts);
    for (size_t k = 0; lift && k < filters; ++k)
        shifts[k] -= lift[k];
    layer->sums = (sb_integer_sums){flips, binary ? twice : NULL, shifts, false};
    layer->epilogue.scale = codes->scale;
    layer->epilogue.offset = codes->offset;
    if (!binary && !layer->epilogue.requantize.floats)
        move_signs(layer, filters, codes->scale, factor, flips, shifts);
    return SB_OK;
}

sb_status sb_set_filter_factors(const sb_weight_job *job, const int32_t *lift) {
    sb_memory *memory = &job->builder->contents.memory;
    const sb_code_spec *codes = &job->codes;
    const size_t filters = (size_t)codes->filters;
    sb_layer *layer = &job->step->layer;
    float *factors = sb_memory_take(memory, 2 * filters, sizeof *factors);
    int32_t *integers = sb_memory_take(memory, 3 * filters, sizeof *integers);
    if (!factors || !integers)
        return sb_complain(job->builder, SB_OUT_OF_MEMORY, "no memory for the factors of a layer");
    int32_t *flips = integers, *twice = integers + filters, *shifts = integers + 2 * filters;
    const int32_t zero = layer->epilogue.requantize.input_zero;
    bool binary = false;
    for (int32_t k = 0; k < codes->filters; ++k) {
        const sb_code_spec filter = sb_filter_of(codes, k);
        const int32_t radix = sb_radix_of(&filter, job->spec->tile.mode);
        sb_pack_factors(&filter, radix, factors + k, factors + filters + k);
        binary |= sb_pack_sums(&filter, radix, zero, flips + k, twice + k, shifts + k);
        shifts[k] -= lift[k] * (flips[k] ? -1 : twice[k] ? 2 : 1);
    }
    if (sb_input_type(job) == SB_TYPE_F32) {
        layer->epilogue.scale = factors;
        layer->epilogue.offset = factors + filters;
        return SB_OK;
    }
    layer->sums = (sb_integer_sums){flips, binary ? twice : NULL, shifts, false};
    layer->epilogue.scale = codes->scale;
    layer->epilogue.offset = codes->offset;
    return SB_OK;
}

/* sums[r][s][k]: of the weights of filter k in rows up to r, columns up to s of its window; each
 * weight is the float32 number that it stands for. */
static void sum_weights(const sb_code_spec *filter, const sb_geometry *window, size_t k,
                        float *sums) {
    const float scale = filter->scale[0], offset = filter->offset ? filter->offset[0] : 0.0f;
    const double values[] = {offset - scale, offset, offset + scale};
    const size_t filters = (size_t)window->out_channels;
    const size_t height = (size_t)window->kernel_height, width = (size_t)window->kernel_width;
    const size_t pixels = height * width;
    for (size_t r = 0; r < height; ++r) {
        double row = 0.0;
        for (size_t s = 0; s < width; ++s) {
            const size_t pixel = r * width + s;
            for (size_t i = pixel; i < filter->taps; i += pixels)
                row += values[filter->codes[i] + 1];
            const double above = r ? (double)sums[(pixel - width) * filters + k] : 0.0;
            sums[pixel * filters + k] = (float)(above + row);
        }
    }
}

sb_status sb_set_weight_sums(const sb_weight_job *job) {
    sb_epilogue *epilogue = &job->step->layer.epilogue;
    const sb_geometry *geometry = &job->step->layer.geometry;
    size_t count = (size_t)geometry->kernel_height * (size_t)geometry->kernel_width;
    bool any = false;
    if (sb_input_type(job) != SB_TYPE_F32 || job->spec->coded_rows ||
        (size_t)job->codes.filters * job->codes.taps < SB_LEAST_CENTRED)
        return SB_OK;
    for (int32_t k = 0; k < job->codes.filters; ++k)
        any |= epilogue->offset[k] != 0.0f;
    if (!any)
        return SB_OK;
    float *sums = NULL;
    if (sb_checked_multiply(&count, (size_t)job->codes.filters))
        sums = sb_memory_take(&job->builder->contents.memory, count, sizeof *sums);
    if (!sums)
        return sb_complain(job->builder, SB_OUT_OF_MEMORY, "no memory for the sums of weights");
    for (int32_t k = 0; k < job->codes.filters; ++k) {
        const sb_code_spec filter = sb_filter_of(&job->codes, k);
        sum_weights(&filter, geometry, (size_t)k, sums);
    }
    epilogue->weight_sums = sums;
    return SB_OK;
}

/* The input may be changed where the step has a copy of its own. */
static sb_status reserve_centred(sb_builder *builder, sb_step *step) {
    const sb_view view = sb_centred_view(&step->layer);
    const sb_extent extent = {view.pitch, step->layer.geometry.out_height,
                              step->layer.geometry.out_width};
    sb_status status;
    size_t elements;
    step->centred.input_offset_bytes = step->input_copy.offset_bytes;
    if (!sb_view_elements(&view, &extent, &elements))
        return sb_complain(builder, SB_OVERFLOW, "step %zu: its scratch does not fit memory",
                           builder->contents.step_count);
    status = sb_reserve(builder, step, sizeof(float), &step->centred.middle_offset_bytes);
    if (status == SB_OK && !step->input_copy.kernel)
        status = sb_reserve(builder, step, builder->contents.values[step->input].bytes,
                            &step->centred.input_offset_bytes);
    return status == SB_OK ? sb_reserve(builder, step, elements * sizeof(float),
                                        &step->centred.output_offset_bytes)
                           : status;
}

sb_status sb_reserve_totals(sb_builder *builder, sb_step *step) {
    const sb_layer *layer = &step->layer;
    const sb_kernel_info *info = &step->kernel->info;
    size_t bytes = (size_t)info->lanes * sizeof(int32_t); /* as wide as float */
    if (step->linear)
        return SB_OK;
    step->needs_totals = true;
    if (!sb_checked_multiply(&bytes, (size_t)sb_view_rows(&layer->input)) ||
        !sb_checked_multiply(&bytes, (size_t)sb_view_columns(&layer->input)) ||
        !sb_checked_multiply(&bytes, (size_t)layer->geometry.groups))
        return sb_complain(builder, SB_OVERFLOW, "the scratch of %s does not fit memory",
                           info->name);
    const sb_status status = sb_reserve(builder, step, bytes, &step->totals_offset_bytes);
    return status == SB_OK && layer->epilogue.weight_sums ? reserve_centred(builder, step) : status;
}

/* The images of a pass, turned, and the sums of all filters for them. */
static size_t linear_scratch(const sb_step *step) {
    const sb_kernel_info *info = &step->kernel->info;
    const sb_geometry *geometry = &step->layer.geometry;
    const size_t images = (size_t)(info->lanes * info->vectors);
    const size_t turned = (size_t)geometry->in_channels * images * sb_type_bytes(info->type);
    return (turned + 63) / 64 * 64 + (size_t)geometry->out_channels * images * sizeof(int32_t);
}

/* [tile][filter][vector][lane]. */
static size_t merge_scratch(const sb_step *step, size_t positions) {
    const sb_kernel_info *info = &step->kernel->info;
    const sb_geometry *geometry = &step->layer.geometry;
    if (info->type != SB_TYPE_U8)
        return 0;
    return positions * (size_t)(geometry->out_channels / geometry->groups) * (size_t)info->lanes *
           sizeof(int32_t);
}

size_t sb_sums_scratch(const sb_step *step, size_t positions) {
    const size_t bytes = step->linear ? linear_scratch(step) : merge_scratch(step, positions);
    return (bytes + 63) / 64 * 64;
}
