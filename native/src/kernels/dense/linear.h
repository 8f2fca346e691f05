/* y = W x: of floats, and of codes as the scalar reference does it. Codes in vectors have kernels
 * of their own, see product_linear.h. */
#ifndef SB_KERNELS_DENSE_LINEAR_H
#define SB_KERNELS_DENSE_LINEAR_H

#ifdef SB_CODES
#include "linear_codes.h"
#else
#include "linear_floats.h"
#endif

#endif
