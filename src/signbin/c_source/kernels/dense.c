/* Convolutions of weights of a byte: first layers, shortcuts, one filter per channel. Four pixels
 * at a time; with DSP instructions two filters and two taps at a time as well. */
#include "sbc_ending.h"

enum { PIXELS = 4 };

#if defined(__GNUC__) && defined(__ARM_FEATURE_SIMD32)
#define SBC_INSTRUCTION(name, text)                                                                \
    SBC_INLINE uint32_t name(uint32_t a, uint32_t b) {                                             \
        uint32_t made;                                                                             \
        __asm__(text : "=r"(made) : "r"(a), "r"(b));                                               \
        return made;                                                                               \
    }
SBC_INSTRUCTION(lower_halves, "pkhbt %0, %1, %2, lsl #16")
SBC_INSTRUCTION(upper_halves, "pkhtb %0, %2, %1, asr #16")
#undef SBC_INSTRUCTION
#define SBC_INSTRUCTION(name, text)                                                                \
    SBC_INLINE uint32_t name(uint32_t a) {                                                         \
        uint32_t made;                                                                             \
        __asm__(text : "=r"(made) : "r"(a));                                                       \
        return made;                                                                               \
    }
SBC_INSTRUCTION(even_codes, "uxtb16 %0, %1")
SBC_INSTRUCTION(odd_codes, "uxtb16 %0, %1, ror #8")
SBC_INSTRUCTION(even_weights, "sxtb16 %0, %1")
SBC_INSTRUCTION(odd_weights, "sxtb16 %0, %1, ror #8")
SBC_INLINE int32_t add_products(uint32_t a, uint32_t b, int32_t sum) {
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* sums[0..3] += two taps of one filter, sums[4..7] of another: codes are paired pixel by pixel. */
SBC_INLINE void add_taps(uint32_t one, uint32_t two, uint32_t weights, int32_t *sums) {
    const uint32_t a = even_weights(weights), b = odd_weights(weights);
    const uint32_t even = even_codes(one), more_even = even_codes(two);
    const uint32_t x0 = lower_halves(even, more_even), x2 = upper_halves(even, more_even);
    const uint32_t odd = odd_codes(one), more_odd = odd_codes(two);
    const uint32_t x1 = lower_halves(odd, more_odd), x3 = upper_halves(odd, more_odd);
    sums[0] = add_products(a, x0, sums[0]);
    sums[4] = add_products(b, x0, sums[4]);
    sums[2] = add_products(a, x2, sums[2]);
    sums[6] = add_products(b, x2, sums[6]);
    sums[1] = add_products(a, x1, sums[1]);
    sums[5] = add_products(b, x1, sums[5]);
    sums[3] = add_products(a, x3, sums[3]);
    sums[7] = add_products(b, x3, sums[7]);
}
#else
SBC_INLINE int32_t weight_at(uint32_t weights, uint32_t byte) {
    return (int32_t)((weights >> 8 * byte & 255u) ^ 128u) - 128;
}

SBC_INLINE void add_taps(uint32_t one, uint32_t two, uint32_t weights, int32_t *sums) {
    const int32_t a = weight_at(weights, 0), b = weight_at(weights, 1);
    const int32_t more_a = weight_at(weights, 2), more_b = weight_at(weights, 3);
    for (uint32_t lane = 0; lane < PIXELS; ++lane) {
        const int32_t x = (int32_t)(one >> 8 * lane & 255u), y = (int32_t)(two >> 8 * lane & 255u);
        sums[lane] += a * x + more_a * y;
        sums[PIXELS + lane] += b * x + more_b * y;
    }
}
#endif

/* taps: an even number. */
SBC_APART static void add_two(const uint32_t *values, const uint16_t *places, uint32_t taps,
                              const uint32_t *weights, int32_t *sums) {
    const uint16_t *end = places + taps;
    int32_t held[2 * PIXELS];
    for (uint32_t i = 0; i < 2 * PIXELS; ++i)
        held[i] = sums[i];
    for (; places != end; places += 2)
        add_taps(values[places[0]], values[places[1]], *weights++, held);
    for (uint32_t i = 0; i < 2 * PIXELS; ++i)
        sums[i] = held[i];
}

SBC_APART static void add_one(const uint32_t *values, const uint16_t *places, uint32_t taps,
                              const int8_t *weights, int32_t *sums) {
    int32_t a0 = sums[0], a1 = sums[1], a2 = sums[2], a3 = sums[3];
    for (uint32_t tap = 0; tap < taps; ++tap) {
        const uint32_t codes = values[places[tap]];
        const int32_t a = weights[tap];
        a0 += a * (int32_t)(codes & 255u);
        a1 += a * (int32_t)(codes >> 8 & 255u);
        a2 += a * (int32_t)(codes >> 16 & 255u);
        a3 += a * (int32_t)(codes >> 24);
    }
    sums[0] = a0;
    sums[1] = a1;
    sums[2] = a2;
    sums[3] = a3;
}

/* T of four pixels. */
static void total_taps(const sbc_dense *layer, const uint32_t *values, const uint16_t *places,
                       uint32_t taps, float *totals) {
    int32_t sums[PIXELS] = {0, 0, 0, 0};
    for (uint32_t tap = 0; tap < taps; ++tap)
        for (uint32_t lane = 0; lane < PIXELS; ++lane)
            sums[lane] += (int32_t)(values[places[tap]] >> 8 * lane & 255u);
    for (uint32_t lane = 0; lane < PIXELS; ++lane)
        totals[lane] = (float)(sums[lane] - (int32_t)(taps * layer->input->zero));
}

/* Filters k .. k + count - 1, one or two, at all pixels. values: of the group's first channel;
 * pairs: weights of both, NULL where they lie filter by filter. */
static void run_filters(const sbc_dense *layer, uint32_t k, uint32_t count, uint32_t taps,
                        const uint32_t *values, const uint32_t *residual, uint32_t *output,
                        const uint32_t *pairs, const uint16_t *places) {
    const sbc_image *to = layer->output;
    const uint32_t even = (taps + 1) / 2 * 2;
    for (uint32_t y = 0; y < to->height; ++y) {
        const uint32_t *window = values + y * layer->window.stride_y * layer->input->row;
        uint32_t at = k * to->plane + (y + to->top) * to->row + to->left;
        for (uint32_t j = 0; j < to->columns; ++j, ++at, window += layer->window.stride_x) {
            int32_t sums[2 * PIXELS];
            float totals[PIXELS] = {0.0f, 0.0f, 0.0f, 0.0f};
            if (layer->ending.offset)
                total_taps(layer, window, places, taps, totals);
            sums[0] = sums[1] = sums[2] = sums[3] = layer->shift[k];
            sums[4] = sums[5] = sums[6] = sums[7] = layer->shift[k + count - 1];
            if (pairs)
                add_two(window, places, even, pairs, sums);
            else
                add_one(window, places, taps, layer->weights + k * taps, sums);
            for (uint32_t i = 0; i < count; ++i) {
                const uint32_t here = at + i * to->plane;
                output[here] = sbc_finish(&layer->ending, k + i, sums + PIXELS * i, totals,
                                          residual ? residual + here : NULL);
            }
        }
    }
}

void sbc_dense_conv2d(const sbc_dense *layer, const uint32_t *input, const uint32_t *residual,
                      uint32_t *output, const sbc_scratch *scratch) {
    const sbc_image *from = layer->input;
    const sbc_window *window = &layer->window;
    const uint32_t channels = from->channels / layer->groups;
    const uint32_t filters = layer->output->channels / layer->groups;
    const uint32_t taps = channels * window->height * window->width;
    const uint32_t *values =
        input + (uint32_t)(from->top - window->top) * from->row + from->left - window->left;
    const uint32_t *pairs = layer->pairs;
    sbc_list_places(from, window, channels, scratch->places);
    scratch->places[taps] = scratch->places[taps - 1]; /* of an odd number; its weight is 0 */
    for (uint32_t g = 0; g < layer->groups; ++g, values += channels * from->plane)
        for (uint32_t k = 0; k < filters; k += 2) {
            const uint32_t count = pairs && filters - k > 1 ? 2 : 1;
            run_filters(layer, g * filters + k, count, taps, values, residual, output, pairs,
                        scratch->places);
            if (pairs)
                pairs += (taps + 1) / 2;
        }
    sbc_fill_border(layer->output, output);
}
