#include "table_linear.h"

void sb_u8_table_linear_f32v1__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_table_linear(layer, operands);
}
