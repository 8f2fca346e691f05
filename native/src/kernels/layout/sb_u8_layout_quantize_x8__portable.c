#define SB_CODES
#define SB_LANES 8
#include "quantize.h"

void sb_u8_layout_quantize_x8__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_quantize(layer, operands);
}
