#define SB_CODES
#define SB_LANES 8
#define SB_VECTORS 2
#include "max_pool.h"

void sb_u8_direct_max_pool2d_x8__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_max_pool2d(layer, operands);
}
