#define SB_CODES
#define SB_LANES 1
#define SB_FILTERS 1
#define SB_VECTORS 1
#include "sums_layer.h"

void sb_u8_sums_conv2d_f1v1__scalar(const sb_layer *layer, const sb_operands *operands) {
    sb_sums_conv2d(layer, operands);
}
