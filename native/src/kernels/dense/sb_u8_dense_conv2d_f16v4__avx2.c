#define SB_CODES
#define SB_LANES 16
#define SB_VECTORS 2
#include "multiply_avx2.h"
#if defined(SB_GATHERS_FILTERS)
#include "finish_avx2.h"
#include "finish_filters.h"
#endif
#include "product_conv2d.h"

void sb_u8_dense_conv2d_f16v4__avx2(const sb_layer *layer, const sb_operands *operands) {
    sb_product_conv2d(layer, operands);
}
