#define SB_CODES
#define SB_LANES 8
#include "bytes.h"

void sb_u8_layout_bytes_x8__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_bytes(layer, operands);
}
