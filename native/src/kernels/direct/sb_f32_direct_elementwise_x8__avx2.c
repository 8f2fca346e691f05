#define SB_LANES 8
#define SB_VECTORS 2
#include "elementwise.h"

void sb_f32_direct_elementwise_x8__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_elementwise(layer, operands);
}
