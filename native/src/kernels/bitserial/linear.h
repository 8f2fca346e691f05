/* Bit-serial products of a linear layer, image by image; the shares divide the filters. */
#ifndef SB_KERNELS_BITSERIAL_LINEAR_H
#define SB_KERNELS_BITSERIAL_LINEAR_H

#include "../epilogue_codes.h"
#include "dot.h"

static inline void sb_bits_rows(const sb_layer *layer, const sb_operands *operands, size_t image,
                                size_t total) {
    const sb_bit_weights *bits = &layer->bits;
    const size_t filters = (size_t)layer->geometry.out_channels, tap = 0;
    const sb_window_words window = {&tap, 1, bits->words};
    const uint64_t *planes = operands->scratch;
    size_t begin, end;
    sb_take_share(operands, (filters + SB_FILTERS - 1) / SB_FILTERS, &begin, &end);
    for (size_t k = begin * SB_FILTERS; k < filters && k < end * SB_FILTERS; k += SB_FILTERS) {
        uint32_t plus[SB_FILTERS], minus[SB_FILTERS] = {0};
        sb_bits_dot(&window, planes, bits->plus + k * bits->words, bits->words, plus);
        if (bits->minus)
            sb_bits_dot(&window, planes, bits->minus + k * bits->words, bits->words, minus);
        for (size_t f = 0; f < SB_FILTERS && k + f < filters; ++f)
            sb_finish_sum(layer, operands, k + f, image * filters + k + f, plus[f] - minus[f],
                          (uint32_t)total);
    }
}

static inline void sb_bitserial_linear(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    const sb_element *input = operands->input;
    for (size_t image = 0; image < operands->batch; ++image, input += channels) {
        size_t total = 0;
        for (size_t c = 0; c < channels; ++c)
            total += input[c];
        sb_pack_channels(input, 1, channels, operands->scratch);
        sb_bits_rows(layer, operands, image, total);
    }
}

#endif
