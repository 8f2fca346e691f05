/* y[o][n][i] = x[o][rows[n]][i], of plain values: elements of an axis by a list of their places.
 * whole: outer, length of the axis, inner, places in the list. */
#ifndef SB_KERNELS_TAKE_H
#define SB_KERNELS_TAKE_H

#include "../kernel.h"
#include "../lane/lane_vector.h"

#include <string.h>

static inline void sb_direct_take(const sb_layer *layer, const sb_operands *operands) {
    const size_t outer = (size_t)layer->whole[0], length = (size_t)layer->whole[1];
    const size_t inner = (size_t)layer->whole[2], places = (size_t)layer->whole[3];
    const sb_element *input = operands->input;
    sb_element *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, outer * places, &begin, &end);
    for (size_t row = begin; row < end; ++row) {
        const size_t from = row / places * length + (size_t)layer->rows[row % places];
        if (inner == 1)
            output[row] = input[from];
        else
            memcpy(output + row * inner, input + from * inner, inner * sizeof *output);
    }
}

#endif
