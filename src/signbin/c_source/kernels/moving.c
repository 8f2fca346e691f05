/* Into codes and out of them, and codes from image to image. */
#include "sbc_ending.h"

/* Which bytes of word j of a row are pixels. */
static uint32_t pixels_of_word(const sbc_image *image, uint32_t j) {
    uint32_t mask = 0;
    for (uint32_t lane = 0; lane < 4; ++lane)
        if (lane * image->columns + j < image->width)
            mask |= 255u << 8 * lane;
    return mask;
}

/* The words left and right of every row: its own, a pixel on. */
static void fill_sides(const sbc_image *image, uint32_t *row, const uint32_t *below) {
    const uint32_t zero = image->zero, step = image->row, left = image->left;
    const uint32_t columns = image->columns, right = step - left - columns;
    if (left == 1 && right == 1)
        for (uint32_t *end = row + columns; row < below; row += step, end += step) {
            row[0] = *end << 8 | zero;
            end[1] = row[1] >> 8 | zero << 24;
        }
    for (; row < below; row += step) {
        uint32_t *first = row + left, *end = first + columns;
        for (uint32_t i = 1; i <= left; ++i)
            *(first - i) = *(end - i) << 8 | zero;
        for (uint32_t i = 0; i < right; ++i)
            end[i] = first[i] >> 8 | zero << 24;
    }
}

void sbc_list_places(const sbc_image *image, const sbc_window *window, uint32_t channels,
                     uint16_t *places) {
    for (uint32_t c = 0; c < channels; ++c)
        for (uint32_t r = 0; r < window->height; ++r) {
            uint32_t place = c * image->plane + r * window->dilation_y * image->row;
            for (uint32_t s = 0; s < window->width; ++s, place += window->dilation_x)
                *places++ = (uint16_t)place;
        }
}

static void fill_rows(uint32_t *from, const uint32_t *end, uint32_t fill) {
    while (from < end)
        *from++ = fill;
}

void sbc_fill_border(const sbc_image *image, uint32_t *values) {
    const uint32_t fill = 0x01010101u * image->zero;
    const int partial = image->width != 4 * image->columns;
    for (uint32_t c = 0; c < image->channels; ++c, values += image->plane) {
        uint32_t *rows = values + (uint32_t)image->top * image->row;
        uint32_t *below = rows + (uint32_t)image->height * image->row;
        for (uint32_t j = 0; partial && j < image->columns; ++j) {
            const uint32_t mask = pixels_of_word(image, j);
            for (uint32_t *at = rows + image->left + j; at < below; at += image->row)
                *at = (*at & mask) | (fill & ~mask);
        }
        fill_sides(image, rows, below);
        fill_rows(values, rows, fill);
        fill_rows(below, values + image->plane, fill);
    }
}

static uint32_t row_of(const sbc_image *image, uint32_t c, uint32_t y) {
    return c * image->plane + (y + image->top) * image->row + image->left;
}

void sbc_quantize(const sbc_image *to, float inverse_scale, uint8_t top, const float *input,
                  uint32_t *output) {
    for (uint32_t c = 0; c < to->channels; ++c)
        for (uint32_t y = 0; y < to->height; ++y, input += to->width) {
            uint32_t *row = output + row_of(to, c, y);
            for (uint32_t j = 0; j < to->columns; ++j) {
                row[j] = 0;
                for (uint32_t lane = 0, x = j; lane < 4 && x < to->width; ++lane, x += to->columns)
                    row[j] |= sbc_code(input[x] * inverse_scale, to->zero, top) << 8 * lane;
            }
        }
    sbc_fill_border(to, output);
}

void sbc_quantize_row(uint32_t count, float inverse_scale, uint8_t zero, uint8_t top,
                      const float *input, uint8_t *output) {
    for (uint32_t i = 0; i < count; ++i)
        output[i] = (uint8_t)sbc_code(input[i] * inverse_scale, zero, top);
}

/* Codes in the order channel, row, pixel. */
void sbc_flatten(const sbc_image *from, const uint32_t *input, uint8_t *output) {
    for (uint32_t c = 0; c < from->channels; ++c)
        for (uint32_t y = 0; y < from->height; ++y) {
            const uint32_t *row = input + row_of(from, c, y);
            for (uint32_t x = 0; x < from->width; ++x)
                *output++ = (uint8_t)(row[x % from->columns] >> 8 * (x / from->columns));
        }
}

void sbc_dequantize(const sbc_image *from, float scale, const uint32_t *input, float *output) {
    for (uint32_t c = 0; c < from->channels; ++c)
        for (uint32_t y = 0; y < from->height; ++y) {
            const uint32_t *row = input + row_of(from, c, y);
            for (uint32_t x = 0; x < from->width; ++x) {
                const uint32_t code = row[x % from->columns] >> 8 * (x / from->columns) & 255u;
                *output++ = (float)((int32_t)code - from->zero) * scale;
            }
        }
}

void sbc_dequantize_row(uint32_t count, float scale, uint8_t zero, const uint8_t *input,
                        float *output) {
    for (uint32_t i = 0; i < count; ++i)
        output[i] = (float)((int32_t)input[i] - zero) * scale;
}

/* Every stride-th pixel into channels from `before` on; channels around them hold the zero. */
void sbc_subsample(const sbc_image *from, const sbc_image *to, uint32_t stride_y, uint32_t stride_x,
                   uint32_t before, const uint32_t *input, uint32_t *output) {
    fill_rows(output, output + to->channels * to->plane, 0x01010101u * to->zero);
    for (uint32_t c = 0; c < from->channels; ++c)
        for (uint32_t y = 0; y < to->height; ++y) {
            const uint32_t *source = input + row_of(from, c, y * stride_y);
            uint32_t *row = output + row_of(to, c + before, y);
            for (uint32_t j = 0; j < to->columns; ++j) {
                row[j] = 0;
                for (uint32_t lane = 0, x = j; lane < 4 && x < to->width;
                     ++lane, x += to->columns) {
                    const uint32_t at = x * stride_x;
                    row[j] |= (source[at % from->columns] >> 8 * (at / from->columns) & 255u)
                              << 8 * lane;
                }
            }
        }
    sbc_fill_border(to, output);
}

/* Of images that lie alike. Channel source + i * step becomes channel target + i. */
void sbc_copy_channels(const sbc_image *from, const sbc_image *to, uint32_t source, uint32_t target,
                       uint32_t count, uint32_t step, const uint32_t *input, uint32_t *output) {
    input += source * from->plane;
    output += target * to->plane;
    for (uint32_t i = 0; i < count; ++i, input += step * from->plane, output += to->plane)
        for (uint32_t j = 0; j < to->plane; ++j)
            output[j] = input[j];
}
