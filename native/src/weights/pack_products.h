/* Integer weights into what kernels of products read, at load. */
#ifndef SB_PACK_PRODUCTS_H
#define SB_PACK_PRODUCTS_H

#include "kernels/dense/product_format.h"
#include "kernels/kernel.h"
#include "memory.h"
#include "signbin.h"

/* What packed products look like to an instruction set. lanes: filters of a vector; step, piece:
 * bytes of them. wide: int16_t [step][filter], else bytes. pairs: whether steps may come two by
 * two. centred: whether images of bytes hold codes - SB_CODE_CENTRE. */
typedef struct sb_product_format {
    int32_t lanes, step, piece;
    bool wide, pairs, centred;
} sb_product_format;

/* weights [K][C/G][R][S] in -63..63; filters: of a block, a multiple of the lanes; top: of the
 * input's codes. */
typedef struct sb_product_spec {
    sb_product_format format;
    const int8_t *weights;
    int32_t filters, top;
} sb_product_spec;

/* Steps and weights for products.h; the layer's input is an image of bytes, or for a linear layer
 * one pixel. SB_OUT_OF_MEMORY leaves *weights untouched. */
sb_status sb_pack_products(const sb_layer *layer, const sb_product_spec *spec, sb_memory *memory,
                           sb_product_weights *weights);

#endif
