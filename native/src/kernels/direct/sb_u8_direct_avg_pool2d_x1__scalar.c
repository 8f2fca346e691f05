#define SB_CODES
#define SB_LANES 1
#define SB_VECTORS 1
#include "avg_pool_codes.h"

void sb_u8_direct_avg_pool2d_x1__scalar(const sb_layer *layer, const sb_operands *operands) {
    sb_avg_pool2d(layer, operands);
}
