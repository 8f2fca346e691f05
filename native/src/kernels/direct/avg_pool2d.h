/* Averages over windows, and over the whole image. */
#ifndef SB_KERNELS_AVG_POOL2D_H
#define SB_KERNELS_AVG_POOL2D_H

#ifdef SB_CODES
#include "avg_pool2d_codes.h"
#else
#include "avg_pool2d_floats.h"
#endif

#endif
