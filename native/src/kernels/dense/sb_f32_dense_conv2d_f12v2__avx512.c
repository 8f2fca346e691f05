#define SB_LANES 16
#define SB_FILTERS 12
#define SB_VECTORS 2
#include "dense_layer.h"

void sb_f32_dense_conv2d_f12v2__avx512(const sb_layer *layer, const sb_operands *operands) {
    sb_dense_conv2d(layer, operands);
}
