#include "families.h"

#include "codes.h"
#include "complain.h"
#include "operands/operands.h"
#include "pack_sums.h"
#include "step.h"

enum { MOST_SLOT_BYTES = 1 << 20 };

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
