/* The one way of all weights into a step: check, read, find the kernel, place the operands, pack,
 * reserve. What differs between the kinds of packed weights, their families say. */
#include "weights.h"

#include "checked.h"
#include "codes.h"
#include "complain.h"
#include "family.h"
#include "operands/operands.h"
#include "step.h"

#include <stdlib.h>

#define SB_FAMILY(name) &sb_##name##_family,
static const sb_weight_family *const FAMILIES[] = {
#include "families.def"
};
#undef SB_FAMILY

enum { FAMILY_COUNT = sizeof FAMILIES / sizeof *FAMILIES };

static sb_status count_weights(sb_weight_job *job) {
    const sb_geometry *geometry = &job->step->layer.geometry;
    const size_t factors[] = {(size_t)(geometry->in_channels / geometry->groups),
                              (size_t)geometry->kernel_height, (size_t)geometry->kernel_width};
    job->count = (size_t)geometry->out_channels;
    for (int i = 0; i < 3; ++i)
        if (!sb_checked_multiply(&job->count, factors[i]))
            return sb_complain(job->builder, SB_OVERFLOW, "the weights do not fit memory");
    return SB_OK;
}

static bool serves(const sb_weight_family *family, sb_strategy strategy, sb_type type) {
    return family->strategy == strategy &&
           (family->form != SB_FORM_VALUES || type == SB_TYPE_F32) &&
           (family->form != SB_FORM_INTEGERS || type == SB_TYPE_U8);
}

static sb_status find_family(sb_weight_job *job) {
    const sb_strategy strategy = job->spec->strategy;
    for (int i = 0; i < FAMILY_COUNT && !job->family; ++i)
        if (serves(FAMILIES[i], strategy, sb_input_type(job)))
            job->family = FAMILIES[i];
    if (job->family)
        return SB_OK;
    return sb_complain(
        job->builder, SB_INVALID_ARGUMENT, "step %zu: strategy %s (%d) takes no weights",
        job->builder->contents.step_count, sb_strategy_name(strategy), (int)strategy);
}

/* The array of the family's form is given, and no other; a list of sums only for sums. */
static sb_status check_arrays(const sb_weight_job *job) {
    static const char *const forms[] = {"values", "integers", "codes"};
    const sb_weight_spec *spec = job->spec;
    const sb_weight_form form = spec->values.data     ? SB_FORM_VALUES
                                : spec->integers.data ? SB_FORM_INTEGERS
                                                      : SB_FORM_CODES;
    const char *strategy = sb_strategy_name(spec->strategy);
    if (!!spec->values.data + !!spec->codes.data + !!spec->integers.data != 1)
        return sb_complain(job->builder, SB_INVALID_ARGUMENT,
                           "weights: exactly one of values, codes and integers must be given");
    if (form != job->family->form)
        return sb_complain(job->builder, SB_INVALID_ARGUMENT,
                           "step %zu: %s for strategy %s on %s; allowed: %s",
                           job->builder->contents.step_count, forms[form], strategy,
                           sb_type_name(sb_input_type(job)), forms[job->family->form]);
    if (spec->sums && spec->strategy != SB_STRATEGY_SUMS)
        return sb_complain(job->builder, SB_INVALID_ARGUMENT,
                           "step %zu: a list of sums for strategy %s; allowed: for sums",
                           job->builder->contents.step_count, strategy);
    if (spec->coded_rows && spec->strategy != SB_STRATEGY_TABLE)
        return sb_complain(job->builder, SB_INVALID_ARGUMENT,
                           "step %zu: rows become codes for strategy %s; allowed: for table",
                           job->builder->contents.step_count, strategy);
    if (form != SB_FORM_VALUES && !spec->scale.data)
        return sb_complain(job->builder, SB_INVALID_ARGUMENT, "weight codes come with scales");
    return SB_OK;
}

static sb_status check(sb_weight_job *job) {
    const sb_status status = check_arrays(job);
    return status == SB_OK && job->family->check ? job->family->check(job) : status;
}

/* As many whole numbers as there must be, from -most to most. */
static sb_status check_numbers(const sb_weight_job *job, const sb_codes *numbers, const char *what,
                               int most) {
    if (numbers->count != job->count)
        return sb_complain(job->builder, SB_INVALID_ARGUMENT, "%ss: %zu; allowed: %zu", what,
                           numbers->count, job->count);
    for (size_t i = 0; i < job->count; ++i)
        if (abs(numbers->data[i]) > most)
            return sb_complain(job->builder, SB_INVALID_ARGUMENT, "%s %zu: %d; allowed: -%d..%d",
                               what, i, numbers->data[i], most, most);
    return SB_OK;
}

/* On codes |A| <= sum |w| * max(zero, top - zero) of every filter, and |T| likewise, must fit
 * int32. */
static sb_status check_sums(const sb_weight_job *job, const int8_t *weights) {
    const sb_value *input = &job->builder->contents.values[job->step->input];
    const size_t taps = job->count / (size_t)job->step->layer.geometry.out_channels;
    const int64_t furthest =
        input->zero > input->top - input->zero ? input->zero : input->top - input->zero;
    int64_t most = (int64_t)taps, sum = 0;
    for (size_t i = 0; i < job->count; ++i) {
        sum = (i % taps ? sum : 0) + abs(weights[i]);
        most = sum > most ? sum : most;
    }
    if (input->type == SB_TYPE_F32 || most <= INT32_MAX / furthest)
        return SB_OK;
    return sb_complain(job->builder, SB_UNSUPPORTED,
                       "step %zu: sums of %lld codes do not fit int32; use float32",
                       job->builder->contents.step_count, (long long)most);
}

static sb_status copy_factors(const sb_weight_job *job, const float **scale, const float **offset) {
    const size_t filters = (size_t)job->step->layer.geometry.out_channels;
    const sb_weight_spec *spec = job->spec;
    const sb_status status =
        sb_copy_floats(job->builder, &spec->scale, filters, "weight scale", scale);
    return status == SB_OK
               ? sb_copy_floats(job->builder, &spec->offset, filters, "weight offset", offset)
               : status;
}

static sb_status read_integers(sb_weight_job *job) {
    sb_epilogue *epilogue = &job->step->layer.epilogue;
    sb_status status = check_numbers(job, &job->spec->integers, "integer weight", SB_MAX_INTEGER);
    if (status == SB_OK)
        status = check_sums(job, job->spec->integers.data);
    return status == SB_OK ? copy_factors(job, &epilogue->scale, &epilogue->offset) : status;
}

static sb_status read_codes(sb_weight_job *job) {
    const int32_t filters = job->step->layer.geometry.out_channels;
    sb_status status = check_numbers(job, &job->spec->codes, "weight code", 1);
    if (status == SB_OK)
        status = check_sums(job, job->spec->codes.data);
    job->codes = (sb_code_spec){
        .codes = job->spec->codes.data, .taps = job->count / (size_t)filters, .filters = filters};
    return status == SB_OK ? copy_factors(job, &job->codes.scale, &job->codes.offset) : status;
}

static sb_status read(sb_weight_job *job) {
    if (job->family->form == SB_FORM_VALUES)
        return sb_copy_floats(job->builder, &job->spec->values, job->count, "weight values",
                              &job->values);
    return job->family->form == SB_FORM_CODES ? read_codes(job) : read_integers(job);
}

static sb_status find_kernel(sb_weight_job *job) {
    sb_kernel_query query = {.strategy = job->family->strategy,
                             .op = job->step->linear ? "linear" : "conv2d",
                             .isa = job->builder->isa,
                             .type = sb_input_type(job),
                             .vectors = SB_MAX_VECTORS};
    if (job->family->query)
        job->family->query(job, &query);
    return sb_find_kernel(job->builder, &query, job->step);
}

static sb_status place(sb_weight_job *job) {
    return job->family->place ? job->family->place(job) : sb_place_layer(job->builder, job->step);
}

static sb_status pack(sb_weight_job *job) {
    return job->family->pack(job);
}

/* Sums of codes and of their walks take the window's total where the layer needs it. */
static sb_status reserve(sb_weight_job *job) {
    const sb_layer *layer = &job->step->layer;
    sb_status status = SB_OK;
    if (job->family->form == SB_FORM_CODES)
        status = sb_set_weight_sums(job);
    if (status == SB_OK && job->family->form == SB_FORM_CODES && !job->family->sums_windows &&
        (layer->sums.twice || layer->epilogue.offset))
        status = sb_reserve_totals(job->builder, job->step);
    return status == SB_OK && job->family->scratch ? job->family->scratch(job) : status;
}

static sb_status complete(sb_weight_job *job) {
    sb_layer *layer = &job->step->layer;
    return sb_complete_epilogue(job->builder, (size_t)layer->geometry.out_channels,
                                &layer->epilogue);
}

sb_status sb_install_weights(sb_builder *builder, const sb_weight_spec *spec, sb_step *step) {
    static sb_status (*const stages[])(sb_weight_job *) = {
        count_weights, find_family, check, read, find_kernel, place, pack, reserve, complete};
    sb_weight_job job = {.builder = builder, .spec = spec, .step = step};
    sb_status status = SB_OK;
    for (size_t i = 0; status == SB_OK && i < sizeof stages / sizeof *stages; ++i)
        status = stages[i](&job);
    return status;
}
