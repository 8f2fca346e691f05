/* Pooling, pixel by pixel: windows may hang over the image on any side. */
#include "sbc_ending.h"

/* Byte of pixel (y, x) in a plane. */
static uint32_t place(const sbc_image *image, uint32_t y, uint32_t x) {
    const uint32_t word = (y + image->top) * image->row + image->left + x % image->columns;
    return 4 * word + x / image->columns;
}

static uint32_t code_at(const uint32_t *plane, uint32_t byte) {
    return plane[byte / 4] >> 8 * (byte % 4) & 255u;
}

static void set_code(uint32_t *plane, uint32_t byte, uint32_t code) {
    const uint32_t shift = 8 * (byte % 4);
    plane[byte / 4] = (plane[byte / 4] & ~(255u << shift)) | code << shift;
}

/* Taps of a window inside the image along one axis: [first, first + count) of it. */
typedef struct span {
    uint32_t first, count;
} span;

static span inside(uint32_t at, uint32_t stride, uint32_t padding, uint32_t taps, uint32_t dilation,
                   uint32_t extent) {
    span found = {0, 0};
    const int32_t begin = (int32_t)(at * stride) - (int32_t)padding;
    for (uint32_t tap = 0; tap < taps; ++tap) {
        const int32_t pixel = begin + (int32_t)(tap * dilation);
        if (pixel >= 0 && pixel < (int32_t)extent) {
            if (!found.count)
                found.first = (uint32_t)pixel;
            ++found.count;
        }
    }
    return found;
}

void sbc_max_pool2d(const sbc_image *from, const sbc_image *to, const sbc_window *window,
                    const uint32_t *input, uint32_t *output) {
    for (uint32_t y = 0; y < to->height; ++y) {
        const span rows = inside(y, window->stride_y, window->top, window->height,
                                 window->dilation_y, from->height);
        for (uint32_t x = 0; x < to->width; ++x) {
            const span columns = inside(x, window->stride_x, window->left, window->width,
                                        window->dilation_x, from->width);
            for (uint32_t c = 0; c < to->channels; ++c) {
                const uint32_t *plane = input + c * from->plane;
                uint32_t most = 0;
                for (uint32_t r = 0; r < rows.count; ++r)
                    for (uint32_t s = 0; s < columns.count; ++s) {
                        const uint32_t code =
                            code_at(plane, place(from, rows.first + r * window->dilation_y,
                                                 columns.first + s * window->dilation_x));
                        most = code > most ? code : most;
                    }
                set_code(output + c * to->plane, place(to, y, x), most);
            }
        }
    }
    sbc_fill_border(to, output);
}

/* whole_windows: the padding counts among the taps of an average. */
void sbc_avg_pool2d(const sbc_image *from, const sbc_image *to, const sbc_window *window,
                    int whole_windows, const sbc_ending *ending, const uint32_t *input,
                    uint32_t *output) {
    for (uint32_t y = 0; y < to->height; ++y) {
        const span rows = inside(y, window->stride_y, window->top, window->height, 1, from->height);
        for (uint32_t x = 0; x < to->width; ++x) {
            const span columns =
                inside(x, window->stride_x, window->left, window->width, 1, from->width);
            const uint32_t taps = rows.count * columns.count;
            const uint32_t all = (uint32_t)window->height * window->width;
            const float count = (float)(whole_windows ? all : taps ? taps : 1);
            for (uint32_t c = 0; c < to->channels; ++c) {
                const uint32_t *plane = input + c * from->plane;
                int32_t sum = -(int32_t)(taps * from->zero);
                float f;
                for (uint32_t r = 0; r < rows.count; ++r)
                    for (uint32_t s = 0; s < columns.count; ++s)
                        sum +=
                            (int32_t)code_at(plane, place(from, rows.first + r, columns.first + s));
                f = (float)sum / count;
                f *= ending->scale[c];
                set_code(output + c * to->plane, place(to, y, x),
                         sbc_code(f, ending->zero, ending->top));
            }
        }
    }
    sbc_fill_border(to, output);
}

void sbc_global_average(const sbc_image *from, const sbc_ending *ending, const uint32_t *input,
                        uint8_t *codes, float *numbers) {
    const uint32_t pixels = (uint32_t)from->height * from->width;
    for (uint32_t c = 0; c < from->channels; ++c, input += from->plane) {
        int32_t sum = -(int32_t)(pixels * from->zero);
        float f;
        for (uint32_t y = 0; y < from->height; ++y) {
            const uint32_t *row = input + (y + from->top) * from->row + from->left;
            for (uint32_t j = 0; j < from->columns; ++j)
                for (uint32_t x = j, codes = row[j]; x < from->width; x += from->columns) {
                    sum += (int32_t)(codes & 255u);
                    codes >>= 8;
                }
        }
        f = (float)sum / (float)pixels;
        f *= ending->scale[c];
        sbc_put(ending, c, f, codes, numbers);
    }
}
