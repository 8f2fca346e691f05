#define SB_CODES
#define SB_LANES 16
#include "bytes.h"

void sb_u8_layout_bytes_x16__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_bytes(layer, operands);
}
