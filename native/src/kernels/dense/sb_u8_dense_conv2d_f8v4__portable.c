#define SB_CODES
#define SB_LANES 8
#define SB_VECTORS 2
#include "multiply_portable.h"
#include "product_conv2d.h"

void sb_u8_dense_conv2d_f8v4__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_product_conv2d(layer, operands);
}
