#define SB_CODES
#define SB_LANES 8
#include "multiply_portable.h"
#include "product_linear.h"

void sb_u8_dense_linear_f8v4__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_product_linear(layer, operands);
}
