#define SB_CODES
#define SB_LANES 8
#include "dequantize.h"

void sb_u8_layout_dequantize_x8__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_dequantize(layer, operands);
}
