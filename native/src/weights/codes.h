/* What all families of low-bit weights share: their factors, totals and waiting sums. */
#ifndef SB_CODES_H
#define SB_CODES_H

#include "family.h"

/* SB_INVALID_ARGUMENT for a walk mode that sums of digits do not have. */
sb_status sb_check_mode(const sb_weight_job *job);

/* What turns a kernel's sums into the layer's: factors of float32, or integers and factors. lift:
 * what was added to the sums of every filter, NULL for nothing. */
sb_status sb_set_factors(const sb_weight_job *job, int32_t radix, const int32_t *lift);

/* The same where every filter has the digits its own codes ask for (sb_sum_list). */
sb_status sb_set_filter_factors(const sb_weight_job *job, const int32_t *lift);

/* The sums of all filters' weights, on float32 where any weight has an offset: what is taken from
 * inputs then comes back with them (operands/centre.h). */
sb_status sb_set_weight_sums(const sb_weight_job *job);

/* Scratch for the sums of all inputs of every window, and for an input that is centred;
 * linear layers make their own. */
sb_status sb_reserve_totals(sb_builder *builder, sb_step *step);

/* Bytes of a share's scratch: for a linear layer the images of a pass, turned, and the sums of all
 * filters for them; for a convolution on codes, the sums of all filters of blocks of so many
 * positions, 0 where none wait. */
size_t sb_sums_scratch(const sb_step *step, size_t positions);

#endif
