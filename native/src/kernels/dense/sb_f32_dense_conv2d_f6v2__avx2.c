#define SB_LANES 8
#define SB_FILTERS 6
#define SB_VECTORS 2
#include "dense_layer.h"

void sb_f32_dense_conv2d_f6v2__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_dense_conv2d(layer, operands);
}
