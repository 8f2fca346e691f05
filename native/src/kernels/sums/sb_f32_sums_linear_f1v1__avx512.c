#define SB_LANES 16
#define SB_FILTERS 1
#define SB_VECTORS 1
#include "sums_linear.h"

void sb_f32_sums_linear_f1v1__avx512(const sb_layer *layer, const sb_operands *operands) {
    sb_sums_linear(layer, operands);
}
