/* Dense convolution: of floats, and of codes as the scalar reference does it. Codes in vectors have
 * kernels of their own, see product_conv2d.h. */
#ifndef SB_KERNELS_DENSE_CONV2D_H
#define SB_KERNELS_DENSE_CONV2D_H

#ifdef SB_CODES
#include "conv2d_codes.h"
#else
#include "conv2d_floats.h"
#endif

#endif
