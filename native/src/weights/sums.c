/* Lists of shared sums. */
#include "codes.h"
#include "complain.h"
#include "pack_sums.h"

enum { MOST_SLOT_BYTES = 1 << 20 };

static sb_status refuse(const sb_weight_job *job, sb_status status, const char *reason) {
    return sb_complain(job->builder, status, "step %zu: a list of sums: %s",
                       job->builder->contents.step_count,
                       status == SB_OUT_OF_MEMORY ? "no memory" : reason);
}

static sb_status check(const sb_weight_job *job) {
    const sb_status status = sb_check_mode(job);
    if (status != SB_OK)
        return status;
    if (!job->spec->sums)
        return refuse(job, SB_INVALID_ARGUMENT, "there is none; allowed: one for strategy sums");
    const char *reason = NULL;
    sb_memory temporary = {NULL};
    const sb_status found =
        sb_check_sum_list(&job->step->layer.geometry, job->spec->sums, &temporary, &reason);
    sb_memory_free(&temporary);
    return found == SB_OK ? SB_OK : refuse(job, found, reason);
}

static void query(const sb_weight_job *job, sb_kernel_query *query) {
    query->vectors = job->spec->tile.vectors;
}

/* Slots come first in a share's scratch. */
static sb_status measure_slots(const sb_weight_job *job, sb_sums_weights *weights) {
    const sb_kernel_info *info = &job->step->kernel->info;
    const size_t lane = info->type == SB_TYPE_U8 ? sizeof(uint16_t) : sizeof(float);
    const size_t vector = (size_t)(info->lanes * info->vectors) * lane;
    weights->slots_bytes = ((size_t)weights->slots * vector + 63) / 64 * 64;
    if (weights->slots_bytes <= MOST_SLOT_BYTES)
        return SB_OK;
    return sb_complain(job->builder, SB_UNSUPPORTED,
                       "step %zu: %d sums of %d vectors are kept at once, %zu bytes; allowed: %d "
                       "bytes; use smaller tiles",
                       job->builder->contents.step_count, weights->slots, info->vectors,
                       weights->slots_bytes, MOST_SLOT_BYTES);
}

/* lift: K zeros. */
static sb_status pack_list(const sb_weight_job *job, int32_t *lift) {
    sb_layer *layer = &job->step->layer;
    const int32_t top = job->builder->contents.values[job->step->input].top;
    const bool codes = sb_input_type(job) == SB_TYPE_U8;
    const sb_sums_pack_spec spec = {job->spec->sums, codes ? sb_pack_bound(top) : INT32_MAX,
                                    codes ? top : 0, lift};
    const char *reason = NULL;
    sb_status status =
        sb_pack_sum_list(layer, &spec, &job->builder->contents.memory, &layer->sum_list, &reason);
    if (status != SB_OK)
        return refuse(job, status, reason);
    job->step->packed_bytes = layer->sum_list.word_count * sizeof *layer->sum_list.words;
    status = measure_slots(job, &layer->sum_list);
    return status == SB_OK ? sb_set_filter_factors(job, lift) : status;
}

static sb_status pack(const sb_weight_job *job) {
    sb_memory temporary = {NULL};
    int32_t *lift = sb_memory_take(&temporary, (size_t)job->codes.filters, sizeof *lift);
    const sb_status status = lift ? pack_list(job, lift) : refuse(job, SB_OUT_OF_MEMORY, NULL);
    sb_memory_free(&temporary);
    return status;
}

/* Slots, then sums that wait. */
static sb_status reserve(const sb_weight_job *job) {
    sb_step *step = job->step;
    const sb_sums_weights *weights = &step->layer.sum_list;
    const size_t waiting =
        weights->merges ? SB_BLOCK_POSITIONS + (size_t)step->kernel->info.vectors : 0;
    step->share_scratch_bytes = weights->slots_bytes + sb_sums_scratch(step, waiting);
    return SB_OK;
}

const sb_weight_family sb_sums_family = {.strategy = SB_STRATEGY_SUMS,
                                         .form = SB_FORM_CODES,
                                         .check = check,
                                         .query = query,
                                         .pack = pack,
                                         .scratch = reserve};
