/* Float and integer weights into what dense kernels read, at load. */
#ifndef SB_PACK_DENSE_H
#define SB_PACK_DENSE_H

#include "kernels/dense/dense_weights.h"
#include "memory.h"

/* The layer's weights, [K][C/G][R][S], as the cut wants them: see dense_weights.h. */
float *sb_pack_dense(const sb_layer *layer, const sb_dense_cut *cut, sb_memory *memory);

/* [K][C/G][R][S] into conv2d_codes.h's [K][R][S][C/G]. */
int8_t *sb_pack_integers(const sb_geometry *geometry, const int8_t *weights, sb_memory *memory);

#endif
