/* y[o][c][i] = e^x[o][c][i] / sum over c of e^x[o][c][i], the largest taken off first. whole: how
 * many o, c and i there are. */
#ifndef SB_KERNELS_SOFTMAX_ROWS_H
#define SB_KERNELS_SOFTMAX_ROWS_H

#include "../kernel.h"
#include "../lane/exponential.h"
#include "../lane/plain.h"

#include <math.h>

/* The lanes' largest; NaN wins. */
SB_INLINE float sb_largest_lane(sb_vector value) {
    float lanes[SB_LANES];
    memcpy(lanes, &value, sizeof lanes);
    SB_UNROLL
    for (size_t half = SB_LANES / 2; half; half /= 2)
        for (size_t i = 0; i < half; ++i) {
            const float other = lanes[i + half], most = lanes[i] < other ? other : lanes[i];
            lanes[i] = other == other ? most : other;
        }
    return lanes[0];
}

/* The lanes' sum, of halves of halves. */
SB_INLINE float sb_add_lanes(sb_vector value) {
    float lanes[SB_LANES];
    memcpy(lanes, &value, sizeof lanes);
    SB_UNROLL
    for (size_t half = SB_LANES / 2; half; half /= 2)
        for (size_t i = 0; i < half; ++i)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

/* Neighbours in memory are summed over. Lanes behind the last count as e^-infinity = 0. */
static inline void sb_softmax_row(const float *x, size_t length, float *y) {
    const size_t whole = length / SB_LANES * SB_LANES, left = length - whole;
    sb_vector last = SB_BROADCAST(-INFINITY), most = last, total = SB_BROADCAST(0.0f);
    if (left)
        most = last = sb_load_some(x + whole, left, -INFINITY);
    for (size_t c = 0; c < whole; c += SB_LANES)
        most = sb_greater(most, sb_load_any(x + c));
    most = SB_BROADCAST(sb_largest_lane(most));
    for (size_t c = 0; c < whole; c += SB_LANES) {
        const sb_vector power = sb_exponential(SB_SUBTRACT(sb_load_any(x + c), most));
        sb_store_any(y + c, power);
        total = SB_ADD(total, power);
    }
    if (left) {
        last = sb_exponential(SB_SUBTRACT(last, most));
        total = SB_ADD(total, last);
    }
    const sb_vector sum = SB_BROADCAST(sb_add_lanes(total));
    for (size_t c = 0; c < whole; c += SB_LANES)
        sb_store_any(y + c, SB_DIVIDE(sb_load_any(y + c), sum));
    if (left)
        sb_store_some(y + whole, left, SB_DIVIDE(last, sum));
}

/* At most a vector of neighbours, each a sum of its own. */
static inline void sb_softmax_column(const float *x, size_t length, size_t apart, size_t count,
                                     float *y) {
    sb_vector most = sb_load_some(x, count, 0.0f), sum = SB_BROADCAST(0.0f);
    for (size_t c = 1; c < length; ++c)
        most = sb_greater(most, sb_load_some(x + c * apart, count, 0.0f));
    for (size_t c = 0; c < length; ++c) {
        const sb_vector power =
            sb_exponential(SB_SUBTRACT(sb_load_some(x + c * apart, count, 0.0f), most));
        sb_store_some(y + c * apart, count, power);
        sum = SB_ADD(sum, power);
    }
    for (size_t c = 0; c < length; ++c)
        sb_store_some(y + c * apart, count,
                      SB_DIVIDE(sb_load_some(y + c * apart, count, 0.0f), sum));
}

static inline void sb_direct_softmax_rows(const sb_layer *layer, const sb_operands *operands) {
    const size_t outer = (size_t)layer->whole[0], length = (size_t)layer->whole[1];
    const size_t inner = (size_t)layer->whole[2];
    const float *input = operands->input;
    float *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, outer, &begin, &end);
    for (size_t o = begin; o < end; ++o) {
        const size_t at = o * length * inner;
        if (inner == 1)
            sb_softmax_row(input + at, length, output + at);
        for (size_t i = 0; inner > 1 && i < inner; i += SB_LANES)
            sb_softmax_column(input + at + i, length, inner,
                              inner - i < SB_LANES ? inner - i : SB_LANES, output + at + i);
    }
}

#endif
