#define SB_CODES
#define SB_LANES 16
#include "sum_channels.h"

void sb_u8_layout_sum_channels_x16__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_sum_channels(layer, operands);
}
