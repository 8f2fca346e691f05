/* Packed products, as multiply_<isa>.h reads them and weights/pack_products.c writes them, and the
 * scratch that their kernels work in. */
#ifndef SB_KERNELS_PRODUCT_FORMAT_H
#define SB_KERNELS_PRODUCT_FORMAT_H

/* Bytes of a window that follow one another in memory and are multiplied together; what lies behind
 * the last of them has weight 0, but is read. */
enum { SB_STEP_BYTES = 4 };

/* Filters of a vector of sums. Its weights for one step are bytes [filter][4], in portable C
 * int16_t [4][filter]. */
#define SB_SUM_LANES_PORTABLE 8
#define SB_SUM_LANES_AVX2 8
#define SB_SUM_LANES_AVX512VNNI 16

/* Pixels whose sums are kept while one block of filters passes, whole tiles of 4 and of 6; images
 * of a linear layer. */
enum { SB_STRIP_SLOTS = 96, SB_STRIP_IMAGES = 16 };

#endif
