/* A kind of packed weights, as the installer in weights.c sees it. */
#ifndef SB_FAMILY_H
#define SB_FAMILY_H

#include "contents.h"
#include "digits.h"

/* What of sb_weight_spec is packed: values, on float32; integers, on codes; codes, on either. */
typedef enum sb_weight_form { SB_FORM_VALUES, SB_FORM_INTEGERS, SB_FORM_CODES } sb_weight_form;

typedef struct sb_weight_family sb_weight_family;

/* The weights of a step on their way. step: values, geometry, epilogue and `linear` are set. */
typedef struct sb_weight_job {
    sb_builder *builder;
    const sb_weight_spec *spec;
    sb_step *step;
    const sb_weight_family *family;
    size_t count;        /* of the weights, [K][C/G][R][S] */
    const float *values; /* of SB_FORM_VALUES: a copy */
    sb_code_spec codes;  /* of SB_FORM_CODES: the caller's codes, copies of their factors */
} sb_weight_job;

/* What a family says to each stage of the installer, in their order. NULL where all do the same.
 *   check    the rest of the spec: tile, order, list of sums
 *   query    which kernel; changes a query for any kernel of the strategy
 *   place    where operands lie; else windows, or the batch
 *   pack     the weights and the factors of the epilogue (scale and offset are set for integers)
 *   scratch  of every share
 * sums_windows: kernels of codes sum the inputs of their windows themselves.
 * Families know the ground, operands/ and what all of them share (codes.h), never each other. */
struct sb_weight_family {
    sb_strategy strategy;
    sb_weight_form form;
    bool sums_windows;
    sb_status (*check)(const sb_weight_job *job);
    void (*query)(const sb_weight_job *job, sb_kernel_query *query);
    sb_status (*place)(const sb_weight_job *job);
    sb_status (*pack)(const sb_weight_job *job);
    sb_status (*scratch)(const sb_weight_job *job);
};

#define SB_FAMILY(name) extern const sb_weight_family sb_##name##_family;
#include "families.def"
#undef SB_FAMILY

/* What the values of the step's input hold. */
static inline sb_type sb_input_type(const sb_weight_job *job) {
    return job->builder->contents.values[job->step->input].type;
}

#endif
