#define SB_CODES
#define SB_LANES 8
#include "sum_channels.h"

void sb_u8_layout_sum_channels_x8__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_sum_channels(layer, operands);
}
