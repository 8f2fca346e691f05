#define SB_LANES 4
#include "relayout.h"

void sb_f32_layout_relayout_x4__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_relayout(layer, operands);
}
