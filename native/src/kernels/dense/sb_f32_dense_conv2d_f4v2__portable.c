#define SB_LANES 4
#define SB_FILTERS 4
#define SB_VECTORS 2
#include "dense_layer.h"

void sb_f32_dense_conv2d_f4v2__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_dense_conv2d(layer, operands);
}
