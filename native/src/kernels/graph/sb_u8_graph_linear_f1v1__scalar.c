#define SB_CODES
#define SB_LANES 1
#define SB_FILTERS 1
#define SB_VECTORS 1
#include "graph_linear.h"

void sb_u8_graph_linear_f1v1__scalar(const sb_layer *layer, const sb_operands *operands) {
    sb_graph_linear(layer, operands);
}
