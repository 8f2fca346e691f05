#define SB_CODES
#define SB_LANES 16
#define SB_VECTORS 1
#include "subsample_pad.h"

void sb_u8_direct_subsample_pad_x16__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_subsample_pad(layer, operands);
}
