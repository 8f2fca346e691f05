/* Packs a layer's weights. */
#ifndef SB_WEIGHTS_H
#define SB_WEIGHTS_H

#include "contents.h"

/* Finds the step's kernel, packs its weights and epilogue factors, and places its operands. Values,
 * geometry, epilogue and `batched` (linear, else conv2d) of the step are set. */
sb_status sb_install_weights(sb_builder *builder, const sb_weight_spec *spec, sb_step *step);

#endif
