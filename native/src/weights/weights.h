/* Packs a layer's weights. */
#ifndef SB_WEIGHTS_H
#define SB_WEIGHTS_H

#include "contents.h"

/* Finds the step's kernel, packs its weights and epilogue factors, and places its operands. Values,
 * geometry, epilogue and `linear` (linear, else conv2d) of the step are set. */
sb_status sb_install_weights(sb_builder *builder, const sb_weight_spec *spec, sb_step *step);

/* Takes the table of a step that looks codes up: a number for every code of the input, encoded
 * where the output holds codes. */
sb_status sb_install_table(sb_builder *builder, const sb_floats *table, sb_step *step);

#endif
