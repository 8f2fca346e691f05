#include "weights.h"

#include "checked.h"
#include "codes.h"
#include "complain.h"
#include "families.h"
#include "operands/operands.h"
#include "pack_dense.h"
#include "step.h"

#include <stdlib.h>
#include <string.h>

/* Packs the weights of a dense convolution, and reserves what its sums wait in. */
static sb_status pack_dense(sb_builder *builder, sb_step *step) {
    const sb_kernel_info *info = &step->kernel->info;
    const sb_dense_tile_size tile = {info->filters, info->vectors, info->lanes};
    sb_layer *layer = &step->layer;
    const sb_dense_cut cut = sb_cut_dense(layer, &tile);
    if (cut.filters_in_lanes)
        step->share_scratch_bytes = (size_t)layer->output.block_height *
                                    (size_t)layer->output.block_width * (size_t)info->lanes *
                                    cut.widest * sizeof(float);
    layer->weights = sb_pack_dense(layer, &cut, &builder->contents.memory);
    if (!layer->weights)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for packed weights");
    return SB_OK;
}

static sb_status install_dense(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                               size_t count, sb_step *step) {
    const sb_kernel_query query = {"dense",        op,   builder->isa, SB_TYPE_F32, 0,
                                   SB_MAX_VECTORS, false};
    sb_layer *layer = &step->layer;
    sb_status status = sb_find_kernel(builder, &query, step);
    if (status == SB_OK)
        status = sb_copy_floats(builder, &spec->values, count, "weight values", &layer->weights);
    if (status == SB_OK)
        status = sb_place_layer(builder, op, step);
    const bool depthwise = layer->geometry.in_channels == layer->geometry.groups;
    if (status != SB_OK || !strcmp(op, "linear") || depthwise)
        return status;
    return pack_dense(builder, step);
}

/* ---- integer weights on codes ------------------------------------------------------------- */

static sb_status check_integers(sb_builder *builder, const sb_weight_spec *spec, size_t count) {
    if (spec->integers.count != count)
        return sb_complain(builder, SB_INVALID_ARGUMENT, "integer weights: %zu; allowed: %zu",
                           spec->integers.count, count);
    for (size_t i = 0; i < count; ++i)
        if (abs(spec->integers.data[i]) > SB_MAX_INTEGER)
            return sb_complain(builder, SB_INVALID_ARGUMENT,
                               "integer weight %zu: %d; allowed: -%d..%d", i,
                               spec->integers.data[i], SB_MAX_INTEGER, SB_MAX_INTEGER);
    return SB_OK;
}

/* The scalar kernel's operands and weights. */
static sb_status install_reference(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                                   sb_step *step) {
    sb_layer *layer = &step->layer;
    sb_status status = sb_place_layer(builder, op, step);
    if (status == SB_OK && layer->epilogue.offset)
        status = sb_reserve_totals(builder, op, step);
    if (status != SB_OK)
        return status;
    layer->integers =
        sb_pack_integers(&layer->geometry, spec->integers.data, &builder->contents.memory);
    if (!layer->integers)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for packed weights");
    return SB_OK;
}

/* What takes the zero point out of a product with raw codes. */
static sb_status set_sums(sb_builder *builder, const sb_weight_spec *spec, sb_step *step) {
    sb_memory *memory = &builder->contents.memory;
    sb_layer *layer = &step->layer;
    const size_t filters = (size_t)layer->geometry.out_channels;
    const size_t taps = spec->integers.count / filters;
    int32_t *flip = sb_memory_take(memory, filters, sizeof *flip);
    int32_t *shift = sb_memory_take(memory, filters, sizeof *shift);
    if (!flip || !shift)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for packed weights");
    for (size_t i = 0; i < spec->integers.count; ++i)
        shift[i / taps] -= spec->integers.data[i] * layer->epilogue.requantize.input_zero;
    layer->sums = (sb_integer_sums){.flip = flip, .shift = shift};
    return SB_OK;
}

static sb_status install_integers(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                                  size_t count, sb_step *step) {
    const sb_kernel_query query = {"dense", op, builder->isa, SB_TYPE_U8, 0, SB_MAX_VECTORS, false};
    const size_t filters = (size_t)step->layer.geometry.out_channels;
    sb_epilogue *epilogue = &step->layer.epilogue;
    sb_status status = check_integers(builder, spec, count);
    if (status == SB_OK)
        status = sb_find_kernel(builder, &query, step);
    if (status == SB_OK)
        status = sb_copy_floats(builder, &spec->scale, filters, "weight scale", &epilogue->scale);
    if (status == SB_OK)
        status =
            sb_copy_floats(builder, &spec->offset, filters, "weight offset", &epilogue->offset);
    if (status == SB_OK)
        status = step->kernel->info.isa == SB_ISA_SCALAR
                     ? install_reference(builder, spec, op, step)
                     : sb_install_products(builder, &spec->integers, op, step);
    return status == SB_OK ? set_sums(builder, spec, step) : status;
}

/* ---- any weights -------------------------------------------------------------------------- */

/* |A| <= sum |w| * max(zero, top - zero) of every filter, and |T| likewise, must fit int32. */
static sb_status check_sums(sb_builder *builder, const int8_t *weights, size_t count,
                            const sb_step *step) {
    const sb_value *input = &builder->contents.values[step->input];
    const size_t taps = count / (size_t)step->layer.geometry.out_channels;
    const int64_t furthest =
        input->zero > input->top - input->zero ? input->zero : input->top - input->zero;
    int64_t most = (int64_t)taps, sum = 0;
    for (size_t i = 0; i < count; ++i) {
        sum = (i % taps ? sum : 0) + abs(weights[i]);
        most = sum > most ? sum : most;
    }
    if (most <= INT32_MAX / furthest)
        return SB_OK;
    return sb_complain(builder, SB_UNSUPPORTED,
                       "step %zu: sums of %lld codes do not fit int32; use float32",
                       builder->contents.step_count, (long long)most);
}

static sb_status install(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                         size_t count, sb_step *step) {
    const sb_codes *whole = spec->codes.data ? &spec->codes : &spec->integers;
    const bool reads_codes = builder->contents.values[step->input].type == SB_TYPE_U8;
    if (!!spec->values.data + !!spec->codes.data + !!spec->integers.data != 1)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "weights: exactly one of values, codes and integers must be given");
    if ((spec->sums || spec->bit_serial) && (!spec->codes.data || (spec->sums && spec->bit_serial)))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "a list of sums comes with codes, and so do bit planes; one of them");
    if (spec->values.data && !reads_codes)
        return install_dense(builder, spec, op, count, step);
    if (spec->values.data || (spec->integers.data && !reads_codes))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: %s on %s; allowed: values on f32, integers on codes",
                           builder->contents.step_count,
                           spec->values.data ? "weight values" : "integer weights",
                           reads_codes ? "codes" : "f32");
    if (!spec->scale.data)
        return sb_complain(builder, SB_INVALID_ARGUMENT, "weight codes come with scales");
    if (reads_codes && whole->count == count) {
        const sb_status status = check_sums(builder, whole->data, count, step);
        if (status != SB_OK)
            return status;
    }
    if (spec->integers.data)
        return install_integers(builder, spec, op, count, step);
    if (spec->bit_serial)
        return sb_install_bits(builder, spec, op, count, step);
    if (spec->sums)
        return sb_install_sums(builder, spec, op, count, step);
    return spec->tile.mode == SB_WALK_TABLES ? sb_install_tables(builder, spec, op, count, step)
                                             : sb_install_buckets(builder, spec, op, count, step);
}

sb_status sb_install_weights(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                             sb_step *step) {
    const sb_geometry *geometry = &step->layer.geometry;
    size_t count = (size_t)geometry->out_channels;
    const size_t factors[] = {(size_t)(geometry->in_channels / geometry->groups),
                              (size_t)geometry->kernel_height, (size_t)geometry->kernel_width};
    for (int i = 0; i < 3; ++i)
        if (!sb_checked_multiply(&count, factors[i]))
            return sb_complain(builder, SB_OVERFLOW, "the weights do not fit memory");
    const sb_status status = install(builder, spec, op, count, step);
    if (status != SB_OK)
        return status;
    return sb_complete_epilogue(builder, (size_t)geometry->out_channels, &step->layer.epilogue);
}
