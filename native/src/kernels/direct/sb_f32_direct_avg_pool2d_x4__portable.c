#define SB_LANES 4
#define SB_VECTORS 1
#include "avg_pool.h"

void sb_f32_direct_avg_pool2d_x4__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_avg_pool2d(layer, operands);
}
