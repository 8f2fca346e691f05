#define SB_LANES 8
#define SB_FILTERS 1
#define SB_VECTORS 2
#include "sums_linear.h"

void sb_f32_sums_linear_f1v2__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_sums_linear(layer, operands);
}
