/* How large the second operand of a product is beside the first: the same, [C][1][1], [1][H][W] or
 * [1][1][1]. Factors of channels are plain, factors of pixels lie in the output's blocks. */
#ifndef SB_KERNELS_FACTOR_H
#define SB_KERNELS_FACTOR_H

typedef enum sb_factor {
    SB_FACTOR_SAME = 0,
    SB_FACTOR_OF_CHANNEL,
    SB_FACTOR_OF_PIXEL,
    SB_FACTOR_ONE
} sb_factor;

#endif
