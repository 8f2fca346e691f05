#define SB_CODES
#define SB_LANES 8
#define SB_VECTORS 1
#include "elementwise.h"

void sb_u8_direct_elementwise_x8__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_elementwise(layer, operands);
}
