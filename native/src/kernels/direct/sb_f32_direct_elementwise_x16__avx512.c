#define SB_LANES 16
#define SB_VECTORS 2
#include "elementwise.h"

void sb_f32_direct_elementwise_x16__avx512(const sb_layer *layer, const sb_operands *operands) {
    sb_elementwise(layer, operands);
}
