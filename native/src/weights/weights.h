/* Packs a layer's weights. */
#ifndef SB_WEIGHTS_H
#define SB_WEIGHTS_H

#include "contents.h"

/* Finds the step's kernel, packs its weights and epilogue factors, and places its operands. op is
 * "conv2d" or "linear"; geometry and epilogue of step->layer are set. */
sb_status sb_install_weights(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                             sb_step *step);

#endif
