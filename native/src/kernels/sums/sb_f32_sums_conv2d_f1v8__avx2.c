#define SB_LANES 8
#define SB_FILTERS 1
#define SB_VECTORS 8
#include "sums_layer.h"

void sb_f32_sums_conv2d_f1v8__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_sums_conv2d(layer, operands);
}
