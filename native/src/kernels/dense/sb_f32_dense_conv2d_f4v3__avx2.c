#define SB_LANES 8
#define SB_FILTERS 4
#define SB_VECTORS 3
#include "dense_layer.h"

void sb_f32_dense_conv2d_f4v3__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_dense_conv2d(layer, operands);
}
