#define SB_LANES 16
#include "relayout.h"

void sb_f32_layout_relayout_x16__avx512(const sb_layer *layer, const sb_operands *operands) {
    sb_relayout(layer, operands);
}
