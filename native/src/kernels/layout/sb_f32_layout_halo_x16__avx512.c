#define SB_LANES 16
#include "halo.h"

void sb_f32_layout_halo_x16__avx512(const sb_layer *layer, const sb_operands *operands) {
    sb_exchange_halo(layer, operands);
}
