#define SB_LANES 1
#define SB_FILTERS 1
#define SB_VECTORS 1
#include "dense_linear.h"

void sb_f32_dense_linear_f1v1__scalar(const sb_layer *layer, const sb_operands *operands) {
    sb_dense_linear(layer, operands);
}
