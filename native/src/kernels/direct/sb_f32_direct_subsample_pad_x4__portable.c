#define SB_LANES 4
#define SB_VECTORS 1
#include "subsample_pad.h"

void sb_f32_direct_subsample_pad_x4__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_subsample_pad(layer, operands);
}
