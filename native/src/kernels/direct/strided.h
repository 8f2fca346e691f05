/* y[i0][i1][i2][i3][i4] = x[base + i0 s0 + i1 s1 + i2 s2 + i3 s3 + i4 s4]: transposes, slices,
 * repeats. whole: base; walk: the five extents, then the five steps, which may be 0 or negative.
 *
 *   y = x transposed, x of 2 rows of 3:   extents 1 1 1 3 2   steps 0 0 0 1 3
 *   y = x[:, ::2], x of 2 rows of 4:      extents 1 1 1 2 2   steps 0 0 0 4 2
 */
#ifndef SB_KERNELS_STRIDED_H
#define SB_KERNELS_STRIDED_H

#include "../kernel.h"
#include "../lane/lane_vector.h"

#include <string.h>

static inline void sb_take_strided(const sb_element *x, int64_t step, size_t count, sb_element *y) {
    if (step == 1) {
        memcpy(y, x, count * sizeof *y);
        return;
    }
    for (size_t i = 0; i < count; ++i)
        y[i] = x[(int64_t)i * step];
}

/* Where row r of the output begins in the input. */
static inline int64_t sb_strided_row(const int32_t *walk, size_t row) {
    int64_t at = 0;
    for (int axis = SB_WALK_AXES - 2; axis >= 0; --axis) {
        at += (int64_t)(row % (size_t)walk[axis]) * walk[SB_WALK_AXES + axis];
        row /= (size_t)walk[axis];
    }
    return at;
}

static inline void sb_direct_strided(const sb_layer *layer, const sb_operands *operands) {
    const int32_t *walk = layer->walk;
    const size_t length = (size_t)walk[SB_WALK_AXES - 1];
    const sb_element *input = (const sb_element *)operands->input + layer->whole[0];
    sb_element *output = operands->output;
    size_t rows = 1, begin, end;
    for (int axis = 0; axis < SB_WALK_AXES - 1; ++axis)
        rows *= (size_t)walk[axis];
    sb_take_share(operands, rows, &begin, &end);
    for (size_t row = begin; row < end; ++row)
        sb_take_strided(input + sb_strided_row(walk, row), walk[2 * SB_WALK_AXES - 1], length,
                        output + row * length);
}

#endif
