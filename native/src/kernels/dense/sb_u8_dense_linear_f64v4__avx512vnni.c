#define SB_CODES
#define SB_LANES 16
#include "multiply_avx512vnni.h"
#include "product_linear.h"

void sb_u8_dense_linear_f64v4__avx512vnni(const sb_layer *layer, const sb_operands *operands) {
    sb_product_linear(layer, operands);
}
