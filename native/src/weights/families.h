/* The kinds of packed weights: each finds the step's kernel, places its operands and packs. */
#ifndef SB_FAMILIES_H
#define SB_FAMILIES_H

#include "contents.h"

/* bucket.c: a bucket walk; count: of the codes. */
sb_status sb_install_buckets(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                             size_t count, sb_step *step);

/* sums.c: a list of shared sums. */
sb_status sb_install_sums(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                          size_t count, sb_step *step);

/* bitserial.c: bitmaps against bit planes. */
sb_status sb_install_bits(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                          size_t count, sb_step *step);

/* tables.c: a linear layer by tables. */
sb_status sb_install_tables(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                            size_t count, sb_step *step);

/* products.c: a dense layer on codes, for a kernel that works by products.h; the kernel is found,
 * integers have been checked. */
sb_status sb_install_products(sb_builder *builder, const sb_codes *integers, const char *op,
                              sb_step *step);

#endif
