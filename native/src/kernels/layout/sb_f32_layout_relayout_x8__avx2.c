#define SB_LANES 8
#include "relayout.h"

void sb_f32_layout_relayout_x8__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_relayout(layer, operands);
}
