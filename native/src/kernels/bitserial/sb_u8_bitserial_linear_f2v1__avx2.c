#define SB_CODES
#define SB_LANES 16
#define SB_FILTERS 2
#define SB_VECTORS 1
#include "bitserial_linear.h"

void sb_u8_bitserial_linear_f2v1__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_bitserial_linear(layer, operands);
}
