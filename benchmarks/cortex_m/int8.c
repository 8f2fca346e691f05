#include "int8.h"

#include "sbc_ending.h"

#if defined(__ARM_FEATURE_SIMD32)
static inline uint32_t even_bytes(uint32_t word) {
    uint32_t made;
    __asm__("uxtb16 %0, %1" : "=r"(made) : "r"(word));
    return made;
}
static inline uint32_t odd_bytes(uint32_t word) {
    uint32_t made;
    __asm__("uxtb16 %0, %1, ror #8" : "=r"(made) : "r"(word));
    return made;
}
static inline uint32_t less(uint32_t a, uint32_t b) {
    uint32_t made;
    __asm__("ssub16 %0, %1, %2" : "=r"(made) : "r"(a), "r"(b));
    return made;
}
static inline uint32_t even_weights(uint32_t word) {
    uint32_t made;
    __asm__("sxtb16 %0, %1" : "=r"(made) : "r"(word));
    return made;
}
static inline uint32_t odd_weights(uint32_t word) {
    uint32_t made;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(made) : "r"(word));
    return made;
}
static inline int32_t multiply_add(uint32_t a, uint32_t b, int32_t sum) {
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}
#else
static inline uint32_t pair(int32_t low, int32_t high) {
    return ((uint32_t)low & 0xffffu) | (uint32_t)high << 16;
}
static inline uint32_t even_bytes(uint32_t word) {
    return word & 0x00ff00ffu;
}
static inline uint32_t odd_bytes(uint32_t word) {
    return word >> 8 & 0x00ff00ffu;
}
static inline uint32_t less(uint32_t a, uint32_t b) {
    return pair((int16_t)a - (int16_t)b, (int16_t)(a >> 16) - (int16_t)(b >> 16));
}
static inline uint32_t even_weights(uint32_t word) {
    return pair((int8_t)word, (int8_t)(word >> 16));
}
static inline uint32_t odd_weights(uint32_t word) {
    return pair((int8_t)(word >> 8), (int8_t)(word >> 24));
}
static inline int32_t multiply_add(uint32_t a, uint32_t b, int32_t sum) {
    return sum + (int16_t)a * (int16_t)b + (int16_t)(a >> 16) * (int16_t)(b >> 16);
}
#endif

static inline uint32_t word_at(const void *from) {
    uint32_t word;
    __builtin_memcpy(&word, from, 4);
    return word;
}

/* Numbers 0..3 lie as 0 2 1 3, as the weights' bytes come apart. */
static void put_channels(const uint8_t *codes, uint32_t count, uint32_t at, uint32_t zero,
                         int16_t *column) {
    static const uint8_t order[4] = {0, 2, 1, 3};
    const uint32_t zeros = zero | zero << 16;
    if (at % 4 == 0 && count % 4 == 0) {
        uint32_t *words = (uint32_t *)(void *)(column + at);
        for (uint32_t c = 0; c < count; c += 4) {
            const uint32_t four = word_at(codes + c);
            *words++ = less(even_bytes(four), zeros);
            *words++ = less(odd_bytes(four), zeros);
        }
        return;
    }
    for (uint32_t c = 0; c < count; ++c, ++at)
        column[(at & ~3u) + order[at & 3u]] = (int16_t)((int32_t)codes[c] - (int32_t)zero);
}

/* What the window at pixel (y, x) sees, its zero taken off. */
static void make_column(const int8_conv *layer, const uint8_t *input, uint32_t y, uint32_t x,
                        uint32_t taps, int16_t *column) {
    const int8_image *from = &layer->input;
    const sbc_window *window = &layer->window;
    const int32_t top = (int32_t)(y * window->stride_y) - window->top;
    const int32_t left = (int32_t)(x * window->stride_x) - window->left;
    uint32_t at = 0;
    if (taps % 4)
        for (uint32_t i = 0; i < 4; ++i)
            column[taps / 4 * 4 + i] = 0;
    for (int32_t r = top; r < top + window->height; ++r)
        for (int32_t s = left; s < left + window->width; ++s, at += from->channels) {
            if (r < 0 || s < 0 || r >= from->height || s >= from->width)
                for (uint32_t c = at; c < at + from->channels; ++c)
                    column[(c & ~3u) + (c & 1u ? (c & 2u ? 3 : 2) : (c & 2u ? 1 : 0))] = 0;
            else
                put_channels(input + ((uint32_t)r * from->width + (uint32_t)s) * from->channels,
                             from->channels, at, from->zero, column);
        }
}

/* Two columns and two filters, four taps at a time. */
SBC_APART static void multiply_2x2(const int16_t *first, const int16_t *second, const int8_t *a,
                                   const int8_t *b, uint32_t fours, int32_t *sums) {
    const uint32_t *x = (const uint32_t *)(const void *)first;
    const uint32_t *y = (const uint32_t *)(const void *)second;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (; fours; --fours, a += 4, b += 4) {
        const uint32_t wa = word_at(a), wb = word_at(b);
        const uint32_t a0 = even_weights(wa), a1 = odd_weights(wa);
        const uint32_t b0 = even_weights(wb), b1 = odd_weights(wb);
        const uint32_t x0 = *x++, x1 = *x++, y0 = *y++, y1 = *y++;
        s0 = multiply_add(a0, x0, s0);
        s0 = multiply_add(a1, x1, s0);
        s1 = multiply_add(b0, x0, s1);
        s1 = multiply_add(b1, x1, s1);
        s2 = multiply_add(a0, y0, s2);
        s2 = multiply_add(a1, y1, s2);
        s3 = multiply_add(b0, y0, s3);
        s3 = multiply_add(b1, y1, s3);
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

static uint32_t finished(const sbc_ending *ending, uint32_t k, int32_t sum,
                         const uint8_t *residual) {
    static const float none = 0.0f;
    switch (ending->how | (residual ? SBC_WITH_RESIDUAL : 0)) {
    case SBC_PLAIN:
        return sbc_lane(ending, k, sum, &none, 0, SBC_PLAIN);
    case SBC_PLAIN | SBC_WITH_RESIDUAL:
        return sbc_lane(ending, k, sum, &none, *residual, SBC_PLAIN | SBC_WITH_RESIDUAL);
    case SBC_BOUNDED_LEAKY:
        return sbc_lane(ending, k, sum, &none, 0, SBC_BOUNDED_LEAKY);
    case SBC_BOUNDED_LEAKY | SBC_WITH_RESIDUAL:
        return sbc_lane(ending, k, sum, &none, *residual, SBC_BOUNDED_LEAKY | SBC_WITH_RESIDUAL);
    default: {
        float f = (float)sum * ending->scale[k];
        f += ending->bias[k];
        if (residual)
            f += ending->residual_scale * (float)((int32_t)*residual - ending->residual_zero);
        return sbc_code(sbc_activated(ending, k, f), ending->zero, ending->top);
    }
    }
}

void int8_convolve(const int8_conv *layer, const uint8_t *input, const uint8_t *residual,
                   uint8_t *output, int16_t *columns) {
    const int8_image *to = &layer->output;
    const uint32_t taps =
        (uint32_t)layer->input.channels * layer->window.height * layer->window.width;
    const uint32_t length = (taps + 3) / 4 * 4, pixels = (uint32_t)to->height * to->width;
    for (uint32_t p = 0; p < pixels; p += 2) {
        const uint32_t q = p + 1 < pixels ? p + 1 : p;
        make_column(layer, input, p / to->width, p % to->width, taps, columns);
        make_column(layer, input, q / to->width, q % to->width, taps, columns + length);
        for (uint32_t k = 0; k < to->channels; k += 2) {
            const uint32_t other = k + 1 < to->channels ? k + 1 : k;
            const uint32_t at[4] = {p * to->channels + k, p * to->channels + other,
                                    q * to->channels + k, q * to->channels + other};
            int32_t sums[4];
            uint8_t codes[4];
            multiply_2x2(columns, columns + length, layer->weights + k * length,
                         layer->weights + other * length, length / 4, sums);
            for (uint32_t i = 0; i < 4; ++i)
                codes[i] = (uint8_t)finished(&layer->ending, i & 1u ? other : k, sums[i],
                                             residual ? residual + at[i] : NULL);
            for (uint32_t i = 0; i < 4; ++i)
                output[at[i]] = codes[i];
        }
    }
}

void int8_quantize(const int8_image *to, float inverse_scale, uint8_t top, const float *input,
                   uint8_t *output) {
    const uint32_t pixels = (uint32_t)to->height * to->width;
    for (uint32_t c = 0; c < to->channels; ++c)
        for (uint32_t p = 0; p < pixels; ++p)
            output[p * to->channels + c] =
                (uint8_t)sbc_code(*input++ * inverse_scale, to->zero, top);
}

void int8_pointwise(const int8_image *image, const sbc_ending *ending, const uint8_t *input,
                    uint8_t *output) {
    const uint32_t pixels = (uint32_t)image->height * image->width;
    for (uint32_t p = 0; p < pixels; ++p)
        for (uint32_t c = 0; c < image->channels; ++c, ++input)
            *output++ = (uint8_t)finished(ending, c, (int32_t)*input - image->zero, NULL);
}

void int8_look_up(uint32_t count, const uint8_t *table, const uint8_t *input, uint8_t *output) {
    for (uint32_t i = 0; i < count; ++i)
        output[i] = table[input[i]];
}

void int8_avg_pool(const int8_image *from, const int8_image *to, const sbc_window *window,
                   const sbc_ending *ending, const uint8_t *input, uint8_t *output) {
    const uint32_t taps = (uint32_t)window->height * window->width;
    for (uint32_t y = 0; y < to->height; ++y)
        for (uint32_t x = 0; x < to->width; ++x)
            for (uint32_t c = 0; c < to->channels; ++c) {
                int32_t sum = -(int32_t)(taps * from->zero);
                float f;
                for (uint32_t r = 0; r < window->height; ++r)
                    for (uint32_t s = 0; s < window->width; ++s)
                        sum += input[((y * window->stride_y + r) * from->width +
                                      x * window->stride_x + s) *
                                         from->channels +
                                     c];
                f = (float)sum / (float)taps;
                f *= ending->scale[c];
                *output++ = (uint8_t)sbc_code(f, ending->zero, ending->top);
            }
}

void int8_global_average(const int8_image *from, const sbc_ending *ending, const uint8_t *input,
                         uint8_t *output) {
    const uint32_t pixels = (uint32_t)from->height * from->width;
    for (uint32_t c = 0; c < from->channels; ++c) {
        int32_t sum = -(int32_t)(pixels * from->zero);
        float f;
        for (uint32_t p = 0; p < pixels; ++p)
            sum += input[p * from->channels + c];
        f = (float)sum / (float)pixels;
        f *= ending->scale[c];
        output[c] = (uint8_t)sbc_code(f, ending->zero, ending->top);
    }
}

void int8_subsample(const int8_image *from, const int8_image *to, uint32_t down, uint32_t across,
                    uint32_t before, const uint8_t *input, uint8_t *output) {
    for (uint32_t y = 0; y < to->height; ++y)
        for (uint32_t x = 0; x < to->width; ++x)
            for (uint32_t c = 0; c < to->channels; ++c) {
                const uint32_t source = c - before; /* large where c is below */
                const uint32_t pixel = y * down * from->width + x * across;
                *output++ =
                    source < from->channels ? input[pixel * from->channels + source] : to->zero;
            }
}
