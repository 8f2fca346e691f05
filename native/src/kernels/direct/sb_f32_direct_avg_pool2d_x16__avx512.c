#define SB_LANES 16
#define SB_VECTORS 1
#include "avg_pool.h"

void sb_f32_direct_avg_pool2d_x16__avx512(const sb_layer *layer, const sb_operands *operands) {
    sb_avg_pool2d(layer, operands);
}
