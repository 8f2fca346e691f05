#define SB_LANES 16
#define SB_VECTORS 1
#include "subsample_pad.h"

void sb_f32_direct_subsample_pad_x16__avx512(const sb_layer *layer, const sb_operands *operands) {
    sb_subsample_pad(layer, operands);
}
