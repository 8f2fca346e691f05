#define SB_LANES 8
#define SB_FILTERS 8
#define SB_VECTORS 2
#include "generated_layer.h"

void sb_f32_bucket_conv2d_g8v2__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_generated_conv2d(layer, operands);
}
