#define SB_LANES 4
#include "halo.h"

void sb_f32_layout_halo_x4__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_exchange_halo(layer, operands);
}
