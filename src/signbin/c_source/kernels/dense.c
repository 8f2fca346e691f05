/* Convolutions of weights of a byte: first layers, shortcuts, one filter per channel. Four pixels
 * at a time, two filters at a time: a word of codes is taken apart once for both. */
#include "sbc_ending.h"

enum { PIXELS = 4 };

SBC_APART static void add_two(const uint32_t *values, const uint16_t *places, uint32_t taps,
                              const int8_t *first, const int8_t *second, int32_t *sums) {
    int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
    for (uint32_t tap = 0; tap < taps; ++tap) {
        const uint32_t codes = values[places[tap]];
        const int32_t a = first[tap], b = second[tap];
        const int32_t x0 = (int32_t)(codes & 255u), x1 = (int32_t)(codes >> 8 & 255u);
        const int32_t x2 = (int32_t)(codes >> 16 & 255u), x3 = (int32_t)(codes >> 24);
        a0 += a * x0;
        b0 += b * x0;
        a1 += a * x1;
        b1 += b * x1;
        a2 += a * x2;
        b2 += b * x2;
        a3 += a * x3;
        b3 += b * x3;
    }
    sums[0] = a0;
    sums[1] = a1;
    sums[2] = a2;
    sums[3] = a3;
    sums[4] = b0;
    sums[5] = b1;
    sums[6] = b2;
    sums[7] = b3;
}

SBC_APART static void add_one(const uint32_t *values, const uint16_t *places, uint32_t taps,
                              const int8_t *weights, int32_t *sums) {
    int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
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

/* Filters k .. k + count - 1, one or two, at all pixels. values: of the group's first channel. */
static void run_filters(const sbc_dense *layer, uint32_t k, uint32_t count, uint32_t taps,
                        const uint32_t *values, const uint32_t *residual, uint32_t *output,
                        const uint16_t *places) {
    const sbc_image *to = layer->output;
    const int8_t *weights = layer->weights + k * taps;
    for (uint32_t y = 0; y < to->height; ++y) {
        const uint32_t *window = values + y * layer->window.stride_y * layer->input->row;
        uint32_t at = k * to->plane + (y + to->top) * to->row + to->left;
        for (uint32_t j = 0; j < to->columns; ++j, ++at, window += layer->window.stride_x) {
            int32_t sums[2 * PIXELS];
            float totals[PIXELS] = {0.0f, 0.0f, 0.0f, 0.0f};
            if (layer->ending.offset)
                total_taps(layer, window, places, taps, totals);
            if (count == 2)
                add_two(window, places, taps, weights, weights + taps, sums);
            else
                add_one(window, places, taps, weights, sums);
            for (uint32_t i = 0; i < count; ++i) {
                const uint32_t here = at + i * to->plane;
                for (uint32_t lane = 0; lane < PIXELS; ++lane)
                    sums[PIXELS * i + lane] += layer->shift[k + i];
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
    sbc_list_places(from, window, channels, scratch->places);
    for (uint32_t g = 0; g < layer->groups; ++g, values += channels * from->plane)
        for (uint32_t k = 0; k < filters; k += 2)
            run_filters(layer, g * filters + k, filters - k < 2 ? 1 : 2, taps, values, residual,
                        output, scratch->places);
    sbc_fill_border(layer->output, output);
}
