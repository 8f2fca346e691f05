/* y[i0][i1][i2][i3][i4] = x[base + i0 s0 + i1 s1 + i2 s2 + i3 s3 + i4 s4]: transposes, slices,
 * repeats. whole: base; walk: the five extents, then the five steps, which may be 0 or negative.
 *
 *   y = x transposed, x of 2 rows of 3:   extents 1 1 1 3 2   steps 0 0 0 1 3
 *   y = x[:, ::2], x of 2 rows of 4:      extents 1 1 1 2 2   steps 0 0 0 4 2
 */
#ifndef SB_KERNELS_STRIDED_H
#define SB_KERNELS_STRIDED_H

#include "../kernel.h"
#include "../lane/transpose.h"

#include <string.h>

/* The next row of the output and where it begins in the input. */
typedef struct sb_strided_row {
    const sb_element *from;
    int32_t at[SB_WALK_AXES - 1];
} sb_strided_row;

static inline sb_strided_row sb_strided_row_at(const int32_t *walk, const sb_element *x,
                                               size_t number) {
    sb_strided_row row = {.from = x};
    for (int axis = SB_WALK_AXES - 2; axis >= 0; --axis) {
        row.at[axis] = (int32_t)(number % (size_t)walk[axis]);
        row.from += (int64_t)row.at[axis] * walk[SB_WALK_AXES + axis];
        number /= (size_t)walk[axis];
    }
    return row;
}

/* `count` rows on, which are at most what is left of the last but one axis. */
static inline void sb_next_row(const int32_t *walk, int32_t count, sb_strided_row *row) {
    int axis = SB_WALK_AXES - 2;
    row->at[axis] += count;
    row->from += (int64_t)count * walk[SB_WALK_AXES + axis];
    for (; axis > 0 && row->at[axis] == walk[axis]; --axis) {
        row->at[axis] = 0;
        row->from -= (int64_t)walk[axis] * walk[SB_WALK_AXES + axis];
        ++row->at[axis - 1];
        row->from += walk[SB_WALK_AXES + axis - 1];
    }
}

static inline void sb_take_strided(const sb_element *x, int64_t step, size_t count, sb_element *y) {
    if (step == 1) {
        memcpy(y, x, count * sizeof *y);
        return;
    }
    for (size_t i = 0; i < count; ++i)
        y[i] = x[(int64_t)i * step];
}

/* As many rows as a vector has lanes, which begin next to one another: squares of them. */
static inline void sb_turn_rows(const sb_element *x, int64_t step, size_t count, sb_element *y) {
    size_t i = 0;
    for (; i + SB_LANES <= count; i += SB_LANES) {
        sb_stored square[SB_LANES];
        SB_UNROLL
        for (int row = 0; row < SB_LANES; ++row)
            memcpy(square + row, x + (int64_t)(i + (size_t)row) * step, sizeof *square);
        sb_transpose(square);
        SB_UNROLL
        for (int row = 0; row < SB_LANES; ++row)
            memcpy(y + (size_t)row * count + i, square + row, sizeof *square);
    }
    for (size_t row = 0; row < SB_LANES; ++row)
        sb_take_strided(x + row + (int64_t)i * step, step, count - i, y + row * count + i);
}

static inline void sb_direct_strided(const sb_layer *layer, const sb_operands *operands) {
    const int32_t *walk = layer->walk;
    const size_t length = (size_t)walk[SB_WALK_AXES - 1];
    const int64_t step = walk[2 * SB_WALK_AXES - 1];
    const sb_element *input = (const sb_element *)operands->input + layer->whole[0];
    sb_element *output = operands->output;
    size_t rows = 1, begin, end;
    for (int axis = 0; axis < SB_WALK_AXES - 1; ++axis)
        rows *= (size_t)walk[axis];
    sb_take_share(operands, rows, &begin, &end);
    if (begin == end)
        return;
    sb_strided_row row = sb_strided_row_at(walk, input, begin);
    for (size_t number = begin; number < end;) {
        const int32_t left = walk[SB_WALK_AXES - 2] - row.at[SB_WALK_AXES - 2];
        const bool turns = step != 1 && walk[2 * SB_WALK_AXES - 2] == 1 && left >= SB_LANES &&
                           end - number >= SB_LANES;
        if (turns)
            sb_turn_rows(row.from, step, length, output + number * length);
        else
            sb_take_strided(row.from, step, length, output + number * length);
        sb_next_row(walk, turns ? SB_LANES : 1, &row);
        number += turns ? SB_LANES : 1;
    }
}

#endif
