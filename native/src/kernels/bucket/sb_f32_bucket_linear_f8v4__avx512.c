#define SB_LANES 16
#define SB_FILTERS 8
#define SB_VECTORS 4
#include "bucket_linear.h"

void sb_f32_bucket_linear_f8v4__avx512(const sb_layer *layer, const sb_operands *operands) {
    sb_bucket_linear(layer, operands);
}
