#define SB_LANES 4
#define SB_FILTERS 1
#define SB_VECTORS 4
#include "graph_linear.h"

void sb_f32_graph_linear_f1v4__portable(const sb_layer *layer, const sb_operands *operands) {
    sb_graph_linear(layer, operands);
}
