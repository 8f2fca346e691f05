/* Layers without pixels. Of one-bit weights, every input goes into the sum of its rank, and the
 * ranks are walked as in low_bit.c: one addition per input for all filters that go together. */
#include "sbc_ending.h"

enum { MOST_TOGETHER = 6 };

static void finish_row(const sbc_linear *layer, uint32_t k, int32_t sum, int32_t total,
                       uint8_t *codes, float *numbers) {
    sbc_put(&layer->ending, k, sbc_number(&layer->ending, k, sum, total), codes, numbers);
}

static int32_t total_codes(const sbc_linear *layer, const uint8_t *input) {
    int32_t total = 0;
    for (uint32_t i = 0; i < layer->inputs; ++i)
        total += input[i];
    return total;
}

void sbc_dense_linear(const sbc_linear *layer, const uint8_t *input, uint8_t *codes,
                      float *numbers) {
    const int32_t total =
        total_codes(layer, input) - (int32_t)((uint32_t)layer->inputs * layer->input_zero);
    const int8_t *weights = layer->weights;
    for (uint32_t k = 0; k < layer->outputs; ++k) {
        int32_t sum = layer->shift[k];
        for (uint32_t i = 0; i < layer->inputs; ++i)
            sum += *weights++ * (int32_t)input[i];
        finish_row(layer, k, sum, total, codes, numbers);
    }
}

/* y[f]: sums of `together` filters. Returns the ranks after theirs. */
static const uint32_t *sum_ranks(const sbc_linear *layer, const uint8_t *input,
                                 const uint32_t *ranks, uint32_t together, uint32_t *y) {
    const uint32_t mask = (1u << together) - 1, fit = 32 / together;
    uint32_t of_rank[1 << MOST_TOGETHER], held = 0, left = 0, sum = 0;
    for (uint32_t rank = 0; rank <= mask; ++rank)
        of_rank[rank] = 0;
    for (uint32_t i = 0; i < layer->inputs; ++i, held >>= together) {
        if (!left--) {
            held = *ranks++;
            left = fit - 1;
        }
        of_rank[held & mask] += input[i];
    }
    for (uint32_t f = 0; f < together; ++f)
        y[f] = 0;
    for (uint32_t rank = 1; rank <= mask; ++rank) {
        uint32_t f = 0;
        while (!(rank >> f & 1u))
            ++f;
        y[f] = sum - y[f];
        sum += of_rank[rank];
    }
    y[together - 1] = sum - y[together - 1];
    return ranks;
}

void sbc_low_bit_linear(const sbc_linear *layer, const uint8_t *input, uint8_t *codes,
                        float *numbers) {
    const int32_t steps =
        total_codes(layer, input) - (int32_t)((uint32_t)layer->inputs * layer->input_zero);
    const uint32_t masks = layer->kind == SBC_TERNARY ? 2 : 1;
    const uint32_t *ranks = layer->ranks;
    uint32_t y[MOST_TOGETHER];
    for (uint32_t k = 0, left = layer->parts; k < layer->outputs; --left) {
        const uint32_t count = (layer->outputs - k + left - 1) / left;
        const uint32_t together = count * masks < 2 ? 2 : count * masks;
        ranks = sum_ranks(layer, input, ranks, together, y);
        for (uint32_t f = 0; f < count * masks; f += masks, ++k) {
            int32_t sum = (int32_t)y[f];
            if (layer->kind == SBC_TERNARY)
                sum -= (int32_t)y[f + 1];
            else if (layer->kind == SBC_TWO_SIGNS)
                sum = 2 * sum - steps;
            finish_row(layer, k, sum + layer->shift[k], steps, codes, numbers);
        }
    }
}
