#define SB_CODES
#define SB_LANES 16
#include "dequantize.h"

void sb_u8_layout_dequantize_x16__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_dequantize(layer, operands);
}
