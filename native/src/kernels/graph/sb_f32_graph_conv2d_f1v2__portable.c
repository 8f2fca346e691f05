#define SB_LANES 4
#define SB_FILTERS 1
#define SB_VECTORS 2
#include "graph_layer.h"

void sb_f32_graph_conv2d_f1v2__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_graph_conv2d(layer, operands);
}
