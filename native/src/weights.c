#include "program.h"

#include "checked.h"
#include "kernels/view.h"
#include "pack.h"

#include <math.h>
#include <string.h>

sb_status sb_copy_floats(sb_builder *builder, const sb_floats *floats, size_t count,
                         const char *what, const float **copy) {
    if (!floats->data && !floats->count)
        return SB_OK;
    if (!floats->data || floats->count != count)
        return sb_complain(builder, SB_INVALID_ARGUMENT, "%s: %zu numbers; allowed: %zu", what,
                           floats->count, count);
    for (size_t i = 0; i < count; ++i)
        if (!isfinite(floats->data[i]))
            return sb_complain(builder, SB_INVALID_ARGUMENT,
                               "%s: number %zu is not finite; allowed: finite numbers", what, i);
    float *taken = sb_memory_take(&builder->contents.memory, count, sizeof *taken);
    if (!taken)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for %s", what);
    memcpy(taken, floats->data, count * sizeof *taken);
    *copy = taken;
    return SB_OK;
}

static sb_status find_kernel(sb_builder *builder, const sb_kernel_query *query, sb_step *step) {
    step->kernel = sb_registry_find(query);
    if (step->kernel)
        return SB_OK;
    return sb_complain(
        builder, SB_UNSUPPORTED, "no %s kernel for %s up to isa %s walks %d filters and %d vectors",
        query->strategy, query->op, sb_isa_name(query->isa), query->filters, query->vectors);
}

static float *constant(sb_builder *builder, size_t count, float value) {
    float *numbers = sb_memory_take(&builder->contents.memory, count, sizeof *numbers);
    for (size_t i = 0; numbers && i < count; ++i)
        numbers[i] = value;
    return numbers;
}

sb_status sb_complete_epilogue(sb_builder *builder, size_t channels, sb_epilogue *epilogue) {
    if (!epilogue->scale)
        epilogue->scale = constant(builder, channels, 1.0f);
    if (!epilogue->bias)
        epilogue->bias = constant(builder, channels, 0.0f);
    if (!epilogue->scale || !epilogue->bias)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for scale and bias");
    return SB_OK;
}

static sb_status place_operands(sb_builder *builder, const char *op, sb_step *step) {
    step->batched = !strcmp(op, "linear");
    return step->batched ? sb_place_batch(builder, step) : sb_place_windows(builder, 0.0f, step);
}

static sb_status install_dense(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                               size_t count, sb_step *step) {
    const sb_kernel_query query = {"dense", op, builder->isa, 0, SB_MAX_VECTORS};
    sb_layer *layer = &step->layer;
    sb_status status = find_kernel(builder, &query, step);
    if (status == SB_OK)
        status = sb_copy_floats(builder, &spec->values, count, "weight values", &layer->weights);
    if (status == SB_OK)
        status = place_operands(builder, op, step);
    const bool depthwise = layer->geometry.in_channels == layer->geometry.groups;
    if (status != SB_OK || !strcmp(op, "linear") || depthwise)
        return status;
    layer->weights = sb_pack_dense(&layer->geometry, step->kernel->info.filters, layer->weights,
                                   &builder->contents.memory);
    if (!layer->weights)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for packed weights");
    return SB_OK;
}

static sb_status check_codes(sb_builder *builder, const sb_weight_spec *spec, size_t count) {
    const sb_tile_spec *tile = &spec->tile;
    if (spec->codes.count != count)
        return sb_complain(builder, SB_INVALID_ARGUMENT, "weight codes: %zu; allowed: %zu",
                           spec->codes.count, count);
    for (size_t i = 0; i < count; ++i)
        if (spec->codes.data[i] < -1 || spec->codes.data[i] > 1)
            return sb_complain(builder, SB_INVALID_ARGUMENT,
                               "weight code %zu: %d; allowed: -1, 0, +1", i, spec->codes.data[i]);
    if (tile->filters < 1 || tile->filters > SB_MAX_FILTERS || tile->vectors < 1 ||
        tile->vectors > SB_MAX_VECTORS || tile->chunk < 1)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "tile: %d filters, %d vectors, chunk %d; allowed: 1..%d filters, "
                           "1..%d vectors, chunk >= 1",
                           tile->filters, tile->vectors, tile->chunk, SB_MAX_FILTERS,
                           SB_MAX_VECTORS);
    return SB_OK;
}

/* Sums over the channels of every input pixel, before the kernel; linear layers make their own,
 * and turn the images of a pass in scratch of their own. */
static sb_status reserve_totals(sb_builder *builder, const char *op, sb_step *step) {
    const sb_layer *layer = &step->layer;
    const sb_kernel_info *info = &step->kernel->info;
    size_t floats = (size_t)info->lanes;
    if (!strcmp(op, "linear")) {
        step->share_scratch_floats =
            (size_t)layer->geometry.in_channels * (size_t)(info->lanes * info->vectors);
        step->share_scratch_floats = (step->share_scratch_floats + 15) / 16 * 16;
        return SB_OK;
    }
    step->needs_totals = true;
    if (!sb_checked_multiply(&floats, (size_t)sb_view_rows(&layer->input)) ||
        !sb_checked_multiply(&floats, (size_t)sb_view_columns(&layer->input)) ||
        !sb_checked_multiply(&floats, (size_t)layer->geometry.groups))
        return sb_complain(builder, SB_OVERFLOW, "the scratch of %s does not fit memory",
                           info->name);
    return sb_reserve(builder, step, floats, &step->totals_offset_floats);
}

/* The kernel for the tile, its operands, and the largest chunk whose offsets fit. */
static sb_status place_codes(sb_builder *builder, const sb_tile_spec *tile, const char *op,
                             sb_step *step, int32_t *chunk) {
    const sb_kernel_query query = {"bucket", op, builder->isa, tile->filters, tile->vectors};
    sb_status status = find_kernel(builder, &query, step);
    if (status == SB_OK)
        status = place_operands(builder, op, step);
    if (status == SB_OK)
        status = reserve_totals(builder, op, step);
    if (status != SB_OK)
        return status;
    *chunk = sb_pack_chunk(&step->layer.geometry, &step->layer.input, tile->chunk);
    if (*chunk < 1)
        return sb_complain(builder, SB_UNSUPPORTED,
                           "a window of %d x %d over rows of %d does not fit 16-bit offsets; use "
                           "the dense strategy",
                           step->layer.geometry.kernel_height, step->layer.geometry.kernel_width,
                           sb_view_columns(&step->layer.input));
    return SB_OK;
}

static sb_status pack_codes(sb_builder *builder, const sb_weight_spec *spec,
                            const sb_code_spec *codes, int32_t chunk, sb_step *step) {
    sb_memory *memory = &builder->contents.memory;
    const size_t filters = (size_t)codes->filters;
    const int32_t radix = sb_pack_radix(codes);
    float *factor = sb_memory_take(memory, filters, sizeof *factor);
    float *shift = sb_memory_take(memory, filters, sizeof *shift);
    sb_memory temporary = {NULL};
    int8_t *digits = sb_memory_take(&temporary, spec->codes.count, sizeof *digits);
    sb_status status = SB_OUT_OF_MEMORY;
    if (radix == 3 && spec->tile.filters > SB_TERNARY_FILTERS) {
        sb_memory_free(&temporary);
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "tile: %d filters; allowed: 1..%d for ternary weights",
                           spec->tile.filters, SB_TERNARY_FILTERS);
    }
    if (factor && shift && digits) {
        sb_pack_digits(codes, radix, digits, factor, shift);
        const sb_pack_spec pack = {spec->tile.filters, radix, chunk};
        status = sb_pack_buckets(&step->layer, digits, &pack, memory, &step->layer.buckets);
    }
    sb_memory_free(&temporary);
    step->layer.epilogue.scale = factor;
    step->layer.epilogue.offset = shift;
    if (status != SB_OK)
        return sb_complain(builder, status, "no memory for packed weights");
    return SB_OK;
}

static sb_status install_buckets(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                                 size_t count, sb_step *step) {
    const size_t filters = (size_t)step->layer.geometry.out_channels;
    sb_code_spec codes = {.codes = spec->codes.data,
                          .taps = count / filters,
                          .filters = step->layer.geometry.out_channels};
    int32_t chunk = 0;
    sb_status status = check_codes(builder, spec, count);
    if (status == SB_OK && !spec->scale.data)
        status = sb_complain(builder, SB_INVALID_ARGUMENT, "weight codes come with scales");
    if (status == SB_OK)
        status = sb_copy_floats(builder, &spec->scale, filters, "weight scale", &codes.scale);
    if (status == SB_OK)
        status = sb_copy_floats(builder, &spec->offset, filters, "weight offset", &codes.offset);
    if (status == SB_OK)
        status = place_codes(builder, &spec->tile, op, step, &chunk);
    if (status == SB_OK)
        status = pack_codes(builder, spec, &codes, chunk, step);
    return status;
}

sb_status sb_install_weights(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                             sb_step *step) {
    const sb_geometry *geometry = &step->layer.geometry;
    const bool low_bit = spec->codes.data != NULL;
    size_t count = (size_t)geometry->out_channels;
    const size_t factors[] = {(size_t)(geometry->in_channels / geometry->groups),
                              (size_t)geometry->kernel_height, (size_t)geometry->kernel_width};
    for (int i = 0; i < 3; ++i)
        if (!sb_checked_multiply(&count, factors[i]))
            return sb_complain(builder, SB_OVERFLOW, "the weights do not fit memory");
    if (low_bit == (spec->values.data != NULL))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "weights: exactly one of values and codes must be given");
    const sb_status status = low_bit ? install_buckets(builder, spec, op, count, step)
                                     : install_dense(builder, spec, op, count, step);
    if (status != SB_OK)
        return status;
    return sb_complete_epilogue(builder, (size_t)geometry->out_channels, &step->layer.epilogue);
}
