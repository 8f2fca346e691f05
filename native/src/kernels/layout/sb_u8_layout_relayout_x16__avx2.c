#define SB_CODES
#define SB_LANES 16
#include "relayout.h"

void sb_u8_layout_relayout_x16__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_relayout(layer, operands);
}
