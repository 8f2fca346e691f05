#define SB_CODES
#define SB_LANES 16
#define SB_FILTERS 8
#define SB_VECTORS 2
#include "bucket_linear.h"

void sb_u8_bucket_linear_f8v2__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_bucket_linear(layer, operands);
}
