/* y = W x by table, on codes and on floats. */
#ifndef SB_KERNELS_TABLE_LINEAR_H
#define SB_KERNELS_TABLE_LINEAR_H

#ifdef SB_CODES
#include "linear_codes.h"
#else
#include "linear_floats.h"
#endif

#endif
