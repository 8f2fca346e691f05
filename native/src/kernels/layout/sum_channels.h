/* totals[group][row][column][lane]: sum over the channels of each convolution group. */
#ifndef SB_KERNELS_SUM_CHANNELS_H
#define SB_KERNELS_SUM_CHANNELS_H

#include "../lane/lane_vector.h"
#include "../view.h"

enum { SB_PARTIAL_SUMS = 4 };

static inline sb_vector sb_sum_pixel(const float *pixel, size_t channels) {
    sb_vector sums[SB_PARTIAL_SUMS];
    size_t c = 0;
    for (int i = 0; i < SB_PARTIAL_SUMS; ++i)
        sums[i] = SB_BROADCAST(0.0f);
    for (; c + SB_PARTIAL_SUMS <= channels; c += SB_PARTIAL_SUMS) {
        SB_UNROLL
        for (int i = 0; i < SB_PARTIAL_SUMS; ++i)
            sums[i] = SB_ADD(sums[i], SB_LOAD(pixel + (c + i) * SB_LANES));
    }
    for (; c < channels; ++c)
        sums[0] = SB_ADD(sums[0], SB_LOAD(pixel + c * SB_LANES));
    return SB_ADD(SB_ADD(sums[0], sums[1]), SB_ADD(sums[2], sums[3]));
}

static inline void sb_sum_channels(const sb_layer *layer, const sb_operands *operands) {
    const sb_view *view = &layer->input;
    const size_t groups = (size_t)layer->geometry.groups;
    const size_t channels = (size_t)layer->geometry.in_channels / groups;
    const size_t pixels = (size_t)sb_view_rows(view) * sb_view_columns(view);
    size_t begin, end;
    sb_take_share(operands, pixels, &begin, &end);
    for (size_t group = 0; group < groups; ++group)
        for (size_t pixel = begin; pixel < end; ++pixel) {
            const size_t first = pixel * view->pitch + group * channels;
            SB_STORE(operands->output + (group * pixels + pixel) * SB_LANES,
                     sb_sum_pixel(operands->input + first * SB_LANES, channels));
        }
}

#endif
