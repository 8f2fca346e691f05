/* Packed products, as multiply_<isa>.h reads them and weights/pack_products.c writes them, and the
 * scratch that their kernels work in. */
#ifndef SB_KERNELS_PRODUCT_FORMAT_H
#define SB_KERNELS_PRODUCT_FORMAT_H

/* A step: bytes of a window that follow one another in memory and are multiplied together; what
 * lies behind the last of them has weight 0, but is read. On ARM a step is a register. */
#define SB_STEP_PORTABLE 4
#define SB_STEP_AVX2 4
#define SB_STEP_AVX512VNNI 4
#define SB_STEP_NEON 16
enum { SB_MOST_STEP_BYTES = 16 };

/* Filters of a vector of sums. Its weights for one step are bytes [piece][filter][byte of the
 * piece], a piece being what one instruction adds up for a filter; in portable C int16_t
 * [4][filter]. */
#define SB_SUM_LANES_PORTABLE 8
#define SB_SUM_LANES_AVX2 8
#define SB_SUM_LANES_AVX512VNNI 16
#define SB_SUM_LANES_NEON 4
#define SB_PIECE_PORTABLE 4
#define SB_PIECE_AVX2 4
#define SB_PIECE_AVX512VNNI 4
#define SB_PIECE_NEON 16
#define SB_PIECE_NEON_DOT 4
#define SB_PIECE_NEON_I8MM 8

/* Pixels whose sums are kept while one block of filters passes, whole tiles of 4 and of 6; images
 * of a linear layer. */
enum { SB_STRIP_SLOTS = 96, SB_STRIP_IMAGES = 48 };

#endif
