#define SB_LANES 16
#define SB_FILTERS 4
#define SB_VECTORS 2
#include "dense_linear.h"

void sb_f32_dense_linear_f4v2__avx512(const sb_layer *layer, const sb_operands *operands) {
    sb_dense_linear(layer, operands);
}
