/* y = W x: of floats, and of codes as the scalar reference does it. Codes in vectors have kernels
 * of their own, see product_linear.h. */
#ifndef SB_KERNELS_DENSE_LINEAR_H
#define SB_KERNELS_DENSE_LINEAR_H

#include "dense_weights.h"

#ifdef SB_CODES
#include "linear_codes.h"
#elif SB_LANES >= SB_LINEAR_PANEL_LANES
#include "linear_panels.h"
#else
#include "linear_floats.h"
#endif

#endif
