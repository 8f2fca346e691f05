#define SB_CODES
#define SB_LANES 1
#include "dequantize.h"

void sb_u8_layout_dequantize_x1__scalar(const sb_layer *layer, const sb_operands *operands) {
    sb_dequantize(layer, operands);
}
