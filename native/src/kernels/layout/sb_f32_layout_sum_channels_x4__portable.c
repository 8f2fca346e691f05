#define SB_LANES 4
#include "sum_channels.h"

void sb_f32_layout_sum_channels_x4__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_sum_channels(layer, operands);
}
