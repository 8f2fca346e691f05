#define SB_LANES 8
#include "halo.h"

void sb_f32_layout_halo_x8__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_exchange_halo(layer, operands);
}
