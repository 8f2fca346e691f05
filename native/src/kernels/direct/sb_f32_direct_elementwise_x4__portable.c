#define SB_LANES 4
#define SB_VECTORS 2
#include "elementwise.h"

void sb_f32_direct_elementwise_x4__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_elementwise(layer, operands);
}
