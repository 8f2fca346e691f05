#define SB_LANES 16
#include "sum_channels.h"

void sb_f32_layout_sum_channels_x16__avx512(const sb_layer *layer, const sb_operands *operands) {
    sb_sum_channels(layer, operands);
}
