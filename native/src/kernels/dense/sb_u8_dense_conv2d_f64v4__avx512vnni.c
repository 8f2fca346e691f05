#define SB_CODES
#define SB_LANES 16
#define SB_VECTORS 2
#include "multiply_avx512vnni.h"
#if defined(SB_GATHERS_FILTERS)
#include "finish_avx512.h"
#include "finish_filters.h"
#endif
#include "product_conv2d.h"

void sb_u8_dense_conv2d_f64v4__avx512vnni(const sb_layer *layer, const sb_operands *operands) {
    sb_product_conv2d(layer, operands);
}
