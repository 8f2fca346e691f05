/* What all families of low-bit weights share: their codes, factors, totals and waiting sums. */
#ifndef SB_CODES_H
#define SB_CODES_H

#include "contents.h"
#include "digits.h"

/* The codes of a layer's weights, as many as there must be and -1, 0 or +1 each, and copies of
 * their scales and offsets. */
sb_status sb_read_codes(sb_builder *builder, const sb_weight_spec *spec, size_t count,
                        const sb_step *step, sb_code_spec *codes);

/* SB_INVALID_ARGUMENT for a walk mode that sums of digits do not have. */
sb_status sb_check_mode(sb_builder *builder, sb_walk_mode mode);

/* What turns a kernel's sums into the layer's: factors of float32, or integers and factors. lift:
 * what was added to the sums of every filter, NULL for nothing. */
sb_status sb_set_factors(sb_builder *builder, const sb_code_spec *codes, int32_t radix,
                         const int32_t *lift, sb_step *step);

/* The same where every filter has the digits its own codes ask for (sb_sum_list). */
sb_status sb_set_filter_factors(sb_builder *builder, const sb_code_spec *codes, sb_walk_mode mode,
                                const int32_t *lift, sb_step *step);

/* Scratch for the sums of all inputs of every window; linear layers make their own. */
sb_status sb_reserve_totals(sb_builder *builder, const char *op, sb_step *step);

/* Bytes of a share's scratch: for a linear layer the images of a pass, turned, and the sums of all
 * filters for them; for a convolution on codes, the sums of all filters of blocks of so many
 * positions, 0 where none wait. */
size_t sb_sums_scratch(const sb_step *step, size_t positions);

#endif
