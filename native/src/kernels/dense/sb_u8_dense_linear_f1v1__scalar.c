#define SB_CODES
#define SB_LANES 1
#define SB_VECTORS 1
#include "dense_linear_codes.h"

void sb_u8_dense_linear_f1v1__scalar(const sb_layer *layer, const sb_operands *operands) {
    sb_dense_linear(layer, operands);
}
