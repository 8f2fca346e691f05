#include "program.h"

#include "pack.h"
#include "pack_sums.h"

enum { MOST_SLOT_BYTES = 1 << 20 };

sb_status sb_check_mode(sb_builder *builder, sb_walk_mode mode) {
    if (mode != SB_WALK_DEFAULT && mode != SB_WALK_TWO_GROUPS)
        return sb_complain(builder, SB_INVALID_ARGUMENT, "tile: walk mode %d is none of sums",
                           (int)mode);
    return SB_OK;
}

sb_code_spec sb_filter_of(const sb_code_spec *codes, int32_t k) {
    return (sb_code_spec){.codes = codes->codes + (size_t)k * codes->taps,
                          .scale = codes->scale + k,
                          .offset = codes->offset ? codes->offset + k : NULL,
                          .taps = codes->taps,
                          .filters = 1};
}

int32_t sb_radix_of(const sb_code_spec *filter, sb_walk_mode mode) {
    bool plus = false, minus = false;
    for (size_t i = 0; i < filter->taps; ++i) {
        plus |= filter->codes[i] > 0;
        minus |= filter->codes[i] < 0;
    }
    return mode == SB_WALK_TWO_GROUPS && plus && minus ? 3 : sb_pack_radix(filter);
}

sb_status sb_set_filter_factors(sb_builder *builder, const sb_code_spec *codes, sb_walk_mode mode,
                                const int32_t *lift, sb_step *step) {
    sb_memory *memory = &builder->contents.memory;
    const size_t filters = (size_t)codes->filters;
    sb_layer *layer = &step->layer;
    float *factors = sb_memory_take(memory, 2 * filters, sizeof *factors);
    int32_t *integers = sb_memory_take(memory, 3 * filters, sizeof *integers);
    if (!factors || !integers)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for the factors of a layer");
    int32_t *flips = integers, *twice = integers + filters, *shifts = integers + 2 * filters;
    const int32_t zero = layer->epilogue.requantize.input_zero;
    bool binary = false;
    for (int32_t k = 0; k < codes->filters; ++k) {
        const sb_code_spec filter = sb_filter_of(codes, k);
        const int32_t radix = sb_radix_of(&filter, mode);
        sb_pack_factors(&filter, radix, factors + k, factors + filters + k);
        binary |= sb_pack_sums(&filter, radix, zero, flips + k, twice + k, shifts + k);
        shifts[k] -= lift[k] * (flips[k] ? -1 : twice[k] ? 2 : 1);
    }
    if (step->kernel->info.type == SB_TYPE_F32) {
        layer->epilogue.scale = factors;
        layer->epilogue.offset = factors + filters;
        return SB_OK;
    }
    layer->sums = (sb_integer_sums){flips, binary ? twice : NULL, shifts, false};
    layer->epilogue.scale = codes->scale;
    layer->epilogue.offset = codes->offset;
    return SB_OK;
}

static sb_status place_sums(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                            sb_step *step) {
    const sb_type type = builder->contents.values[step->input].type;
    const sb_kernel_query query = {"sums", op, builder->isa, type, 0, spec->tile.vectors, false};
    const sb_status status = sb_find_kernel(builder, &query, step);
    return status == SB_OK ? sb_place_layer(builder, op, step) : status;
}

/* Slots first, then sums that wait. */
static sb_status reserve_slots(sb_builder *builder, sb_step *step) {
    const sb_kernel_info *info = &step->kernel->info;
    sb_sums_weights *weights = &step->layer.sum_list;
    const size_t vector = (size_t)(info->lanes * info->vectors) * sb_type_bytes(info->type);
    weights->slots_bytes = ((size_t)weights->slots * vector + 63) / 64 * 64;
    if (weights->slots_bytes > MOST_SLOT_BYTES)
        return sb_complain(builder, SB_UNSUPPORTED,
                           "step %zu: %d sums of %d vectors are kept at once, %zu bytes; allowed: "
                           "%d bytes; use smaller tiles",
                           builder->contents.step_count, weights->slots, info->vectors,
                           weights->slots_bytes, MOST_SLOT_BYTES);
    const size_t waiting = weights->merges ? SB_BLOCK_POSITIONS + (size_t)info->vectors : 0;
    step->share_scratch_bytes = weights->slots_bytes + sb_sums_scratch(step, waiting);
    return SB_OK;
}

/* Checks the list and packs it. lift: K zeros. */
static sb_status pack(sb_builder *builder, const sb_sum_list *list, int32_t *lift,
                      sb_memory *temporary, sb_step *step) {
    const int32_t top = builder->contents.values[step->input].top;
    const bool codes = step->kernel->info.type == SB_TYPE_U8;
    const sb_sums_pack_spec spec = {list, codes ? sb_pack_bound(top) : INT32_MAX, codes ? top : 0,
                                    lift};
    const char *reason = NULL;
    sb_status status = sb_check_sum_list(&step->layer.geometry, list, temporary, &reason);
    if (status == SB_OK)
        status = sb_pack_sum_list(&step->layer, &spec, &builder->contents.memory,
                                  &step->layer.sum_list, &reason);
    if (status == SB_OK)
        return SB_OK;
    return sb_complain(builder, status, "step %zu: a list of sums: %s",
                       builder->contents.step_count,
                       status == SB_OUT_OF_MEMORY ? "no memory" : reason);
}

static sb_status install(sb_builder *builder, const sb_weight_spec *spec, const sb_code_spec *codes,
                         sb_step *step) {
    sb_memory temporary = {NULL};
    int32_t *lift = sb_memory_take(&temporary, (size_t)codes->filters, sizeof *lift);
    sb_status status = lift ? pack(builder, spec->sums, lift, &temporary, step)
                            : sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for lifts");
    if (status == SB_OK)
        status = sb_set_filter_factors(builder, codes, spec->tile.mode, lift, step);
    sb_memory_free(&temporary);
    return status;
}

sb_status sb_install_sums(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                          size_t count, sb_step *step) {
    sb_code_spec codes;
    sb_status status = sb_check_mode(builder, spec->tile.mode);
    if (status == SB_OK)
        status = sb_read_codes(builder, spec, count, step, &codes);
    if (status == SB_OK)
        status = place_sums(builder, spec, op, step);
    if (status == SB_OK)
        status = install(builder, spec, &codes, step);
    const bool total = step->kernel && (step->kernel->info.type == SB_TYPE_F32 ||
                                        step->layer.sums.twice || codes.offset);
    if (status == SB_OK && total)
        status = sb_reserve_totals(builder, op, step);
    return status == SB_OK ? reserve_slots(builder, step) : status;
}
