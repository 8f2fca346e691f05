#define SB_CODES
#define SB_LANES 1
#include "halo.h"

void sb_u8_layout_halo_x1__scalar(const sb_layer *layer, const sb_operands *operands) {
    sb_exchange_halo(layer, operands);
}
