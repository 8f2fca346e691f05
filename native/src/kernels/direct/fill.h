/* y[i] = scale[i]: the same numbers for every image. */
#ifndef SB_KERNELS_FILL_H
#define SB_KERNELS_FILL_H

#include "../kernel.h"

#include <string.h>

static inline void sb_direct_fill(const sb_layer *layer, const sb_operands *operands) {
    float *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, (size_t)layer->geometry.out_channels, &begin, &end);
    memcpy(output + begin, layer->epilogue.scale + begin, (end - begin) * sizeof *output);
}

#endif
