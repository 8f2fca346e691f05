#define SB_CODES
#define SB_LANES 1
#define SB_FILTERS 8
#define SB_VECTORS 1
#include "bucket_layer.h"

void sb_u8_bucket_conv2d_f8v1__scalar(const sb_layer *layer, const sb_operands *operands) {
    sb_bucket_conv2d(layer, operands);
}
