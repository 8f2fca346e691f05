/* y[o][i] = sum, largest or least of x[o][c][i] over c; sums in float64, times real[0]. whole:
 * which (0 sum, 1 largest, 2 least), how many o, c and i there are. NaN wins over every number. */
#ifndef SB_KERNELS_REDUCE_H
#define SB_KERNELS_REDUCE_H

#include "../kernel.h"
#include "../lane/plain.h"

enum { SB_REDUCED_SUM, SB_REDUCED_LARGEST, SB_REDUCED_LEAST };
enum { SB_REDUCED_AT_ONCE = 16 };

/* One number less or more; a NaN stays. */
SB_INLINE double sb_reduced(int32_t how, double held, float value) {
    if (how == SB_REDUCED_SUM)
        return held + (double)value;
    if (held != held)
        return held;
    const bool better =
        how == SB_REDUCED_LARGEST ? !((double)value <= held) : !((double)value >= held);
    return better ? (double)value : held;
}

/* A few neighbours, each by itself. */
static inline void sb_reduce_columns(const sb_layer *layer, const float *x, size_t count,
                                     float *y) {
    const size_t length = (size_t)layer->whole[2], inner = (size_t)layer->whole[3];
    const int32_t how = layer->whole[0];
    double held[SB_REDUCED_AT_ONCE];
    for (size_t i = 0; i < count; ++i)
        held[i] = (double)x[i];
    for (size_t c = 1; c < length; ++c)
        for (size_t i = 0; i < count; ++i)
            held[i] = sb_reduced(how, held[i], x[c * inner + i]);
    for (size_t i = 0; i < count; ++i)
        y[i] = (float)(how == SB_REDUCED_SUM ? held[i] * (double)layer->real[0] : held[i]);
}

static inline void sb_direct_reduce(const sb_layer *layer, const sb_operands *operands) {
    const size_t outer = (size_t)layer->whole[1], length = (size_t)layer->whole[2];
    const size_t inner = (size_t)layer->whole[3];
    const float *input = operands->input;
    float *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, outer, &begin, &end);
    for (size_t o = begin; o < end; ++o)
        for (size_t i = 0; i < inner; i += SB_REDUCED_AT_ONCE)
            sb_reduce_columns(layer, input + o * length * inner + i,
                              inner - i < SB_REDUCED_AT_ONCE ? inner - i : SB_REDUCED_AT_ONCE,
                              output + o * inner + i);
}

#endif
