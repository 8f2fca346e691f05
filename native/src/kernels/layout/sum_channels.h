/* totals[group][row][column][lane]: sum over the channels of each convolution group. */
#ifndef SB_KERNELS_SUM_CHANNELS_H
#define SB_KERNELS_SUM_CHANNELS_H

#include "../lane/lane_vector.h"
#include "../view.h"

#ifdef SB_CODES

/* Codes add up in 16 bits as far as those reach: 255 * 257 = 65535. */
enum { SB_NARROW_SUMS = 257 };

typedef int32_t sb_channel_sum;

static inline void sb_sum_pixel(const sb_element *pixel, size_t channels, int32_t *target) {
    sb_sums sums = sb_same_sums(0);
    for (size_t begin = 0; begin < channels; begin += SB_NARROW_SUMS) {
        const size_t end = channels - begin < SB_NARROW_SUMS ? channels : begin + SB_NARROW_SUMS;
        sb_vector sum = SB_BROADCAST(0);
        for (size_t c = begin; c < end; ++c)
            sum = SB_ADD_FROM(sum, pixel + c * SB_LANES);
        sums = sb_add_widened(sums, sum);
    }
    sb_store_sums(target, sums);
}

#else

enum { SB_PARTIAL_SUMS = 4 };

typedef float sb_channel_sum;

static inline void sb_sum_pixel(const float *pixel, size_t channels, float *target) {
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
    SB_STORE(target, SB_ADD(SB_ADD(sums[0], sums[1]), SB_ADD(sums[2], sums[3])));
}

#endif

static inline void sb_layout_sum_channels(const sb_layer *layer, const sb_operands *operands) {
    const sb_view *view = &layer->input;
    const size_t groups = (size_t)layer->geometry.groups;
    const size_t channels = (size_t)layer->geometry.in_channels / groups;
    const size_t pixels = (size_t)sb_view_rows(view) * sb_view_columns(view);
    const sb_element *input = operands->input;
    sb_channel_sum *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, pixels, &begin, &end);
    for (size_t group = 0; group < groups; ++group)
        for (size_t pixel = begin; pixel < end; ++pixel) {
            const size_t first = pixel * view->pitch + group * channels;
            sb_sum_pixel(input + first * SB_LANES, channels,
                         output + (group * pixels + pixel) * SB_LANES);
        }
}

#endif
