/* Pixel by pixel, four at a time: sums, activations, functions by table. What depends on one code
 * alone becomes a table where there are more pixels than codes. */
#include "sbc_ending.h"

enum { CODES = 256 };

static uint32_t looked_up(const uint8_t *table, uint32_t codes) {
    return (uint32_t)table[codes & 255u] | (uint32_t)table[codes >> 8 & 255u] << 8 |
           (uint32_t)table[codes >> 16 & 255u] << 16 | (uint32_t)table[codes >> 24] << 24;
}

static void look_up_channel(const sbc_image *to, const uint8_t *table, const uint32_t *input,
                            uint32_t *output) {
    for (uint32_t y = 0; y < to->height; ++y) {
        const uint32_t at = (y + to->top) * to->row + to->left;
        for (uint32_t j = at; j < at + to->columns; ++j)
            output[j] = looked_up(table, input[j]);
    }
}

/* Four codes of channel c through the ending. */
static uint32_t through(const sbc_image *from, const sbc_ending *ending, uint32_t c, uint32_t codes,
                        const uint32_t *second) {
    static const float none[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    int32_t steps[4];
    for (uint32_t lane = 0; lane < 4; ++lane)
        steps[lane] = (int32_t)(codes >> 8 * lane & 255u) - from->zero;
    return sbc_finish(ending, c, steps, none, second);
}

static void make_table(const sbc_image *from, const sbc_ending *ending, uint32_t c,
                       uint8_t *table) {
    for (uint32_t code = 0; code < CODES; code += 4) {
        const uint32_t made = through(from, ending, c, 0x03020100u + 0x01010101u * code, NULL);
        for (uint32_t lane = 0; lane < 4; ++lane)
            table[code + lane] = (uint8_t)(made >> 8 * lane);
    }
}

void sbc_pointwise(const sbc_image *from, const sbc_image *to, const sbc_ending *ending,
                   const uint32_t *input, const uint32_t *second, uint32_t *output) {
    const int by_table = !second && (uint32_t)to->height * to->columns * 4 > CODES;
    for (uint32_t c = 0; c < to->channels; ++c) {
        const uint32_t plane = c * to->plane;
        uint8_t table[CODES];
        if (by_table) {
            make_table(from, ending, c, table);
            look_up_channel(to, table, input + plane, output + plane);
            continue;
        }
        for (uint32_t y = 0; y < to->height; ++y) {
            const uint32_t at = plane + (y + to->top) * to->row + to->left;
            for (uint32_t j = at; j < at + to->columns; ++j)
                output[j] = through(from, ending, c, input[j], second ? second + j : NULL);
        }
    }
    sbc_fill_border(to, output);
}

void sbc_look_up(const sbc_image *to, const uint8_t *table, const uint32_t *input,
                 uint32_t *output) {
    for (uint32_t c = 0; c < to->channels; ++c)
        look_up_channel(to, table, input + c * to->plane, output + c * to->plane);
    sbc_fill_border(to, output);
}
