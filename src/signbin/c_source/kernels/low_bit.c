/* Convolutions of one-bit weights: no products, and every input is added once for all filters that
 * go together. With two filters a, b and inputs x0..x4 that {a}, {b}, {a b}, {b}, {a} want, lists
 * are made by who wants them, in the order of the Gray code, and one running sum s takes them all:
 *
 *     rank  filters   s afterwards                    a, b are flipped: y = s - y
 *     1     a         x0 + x4                         a = 0 before
 *     2     a b       x0 + x4 + x2                    b = x0 + x4 before
 *     3     b         x0 + x4 + x2 + x1 + x3          a = x0 + x4 + x2 before: done
 *     end                                             b = s - (x0 + x4) = x2 + x1 + x3: done
 *
 * Each filter changes sides at some ranks only: what a flip leaves behind is the sum while it was
 * on. Five additions for six weights here; 0.95 n for 6 n weights of density 0.4.
 *
 * Eight pixels at a time: two words of codes, and sums of 16 bits in four words. */
#include "sbc_ending.h"

enum { PIXELS = 8, MOST_TOGETHER = 6 };

/* Codes 0 and 2 of a word, or 1 and 3, onto two sums of 16 bits. */
#if defined(__GNUC__) && defined(__ARM_FEATURE_SIMD32)
static inline uint32_t add_even(uint32_t sums, uint32_t codes) {
    uint32_t made;
    __asm__("uxtab16 %0, %1, %2" : "=r"(made) : "r"(sums), "r"(codes));
    return made;
}
static inline uint32_t add_odd(uint32_t sums, uint32_t codes) {
    uint32_t made;
    __asm__("uxtab16 %0, %1, %2, ror #8" : "=r"(made) : "r"(sums), "r"(codes));
    return made;
}
static inline uint32_t subtract(uint32_t a, uint32_t b) {
    uint32_t made;
    __asm__("usub16 %0, %1, %2" : "=r"(made) : "r"(a), "r"(b));
    return made;
}
#else
/* Two sums as one number modulo 2^32: a carry from the lower into the upper comes back as a borrow
 * when they are flipped, since what is left in the end fits 16 bits. */
static inline uint32_t add_even(uint32_t sums, uint32_t codes) {
    return sums + (codes & 0x00ff00ffu);
}
static inline uint32_t add_odd(uint32_t sums, uint32_t codes) {
    return sums + (codes >> 8 & 0x00ff00ffu);
}
static inline uint32_t subtract(uint32_t a, uint32_t b) {
    return a - b;
}
#endif

/* Sums of eight pixels: 0 2, 1 3, 4 6, 5 7. */
typedef struct sums {
    uint32_t a, b, c, d;
} sums;

SBC_INLINE void flip(uint32_t *y, sums s) {
    const uint32_t a = y[0], b = y[1], c = y[2], d = y[3];
    y[0] = subtract(s.a, a);
    y[1] = subtract(s.b, b);
    y[2] = subtract(s.c, c);
    y[3] = subtract(s.d, d);
}

/* Adds the inputs of one rank, which end where the next rank's begin. */
SBC_INLINE sums add_rank(sums s, const uint32_t *first, const uint32_t *second,
                         const uint16_t **offset, const uint16_t *end) {
    const uint16_t *at = *offset;
    for (; at != end; ++at) {
        const uint32_t one = first[*at], two = second[*at];
        s.a = add_even(s.a, one);
        s.b = add_odd(s.b, one);
        s.c = add_even(s.c, two);
        s.d = add_odd(s.d, two);
    }
    *offset = at;
    return s;
}

/* Which filter changes sides before rank 4 i: the number of zeros that ends with. */
static const uint8_t flipped[1 << (MOST_TOGETHER - 2)] = {0, 2, 3, 2, 4, 2, 3, 2,
                                                          5, 2, 3, 2, 4, 2, 3, 2};

/* y[f]: sums of filter f, two filters at least; offsets: words from the windows, by rank; ends:
 * where each rank ends. Four ranks at a time: filter 0, 1, 0, and another. */
SBC_APART static void walk(const uint32_t *first, const uint32_t *second, const uint16_t *offsets,
                           uint16_t *const *ends, uint32_t together, uint32_t (*y)[4]) {
    const uint16_t *at = offsets;
    const uint32_t quads = 1u << (together - 2);
    sums s = {0, 0, 0, 0};
    for (uint32_t f = 0; f < together; ++f)
        y[f][0] = y[f][1] = y[f][2] = y[f][3] = 0;
    for (uint32_t quad = 1;; ++quad) {
        flip(y[0], s);
        s = add_rank(s, first, second, &at, ends[1]);
        flip(y[1], s);
        s = add_rank(s, first, second, &at, ends[2]);
        flip(y[0], s);
        s = add_rank(s, first, second, &at, ends[3]);
        if (quad == quads)
            break;
        flip(y[flipped[quad]], s);
        s = add_rank(s, first, second, &at, ends[4]);
        ends += 4;
    }
    flip(y[together - 1], s);
}

/* Sorts places by the ranks of their inputs; those of rank 0, which no filter wants, come last.
 * counts: of ranks 1 and up. Returns the ranks after them. */
SBC_APART static const uint32_t *list_inputs(const uint32_t *ranks, uint32_t together,
                                             const uint8_t *counts, const uint16_t *places,
                                             uint32_t count, uint16_t *offsets, uint16_t **ends) {
    const uint32_t mask = (1u << together) - 1, fit = 32 / together;
    uint16_t *end = offsets;
    for (uint32_t rank = 1; rank <= mask; ++rank) {
        ends[rank] = end; /* where it begins; behind the last place that is put there, it ends */
        end += counts[rank - 1];
    }
    ends[0] = end;
    for (uint32_t left = count; left;) {
        uint32_t held = *ranks++, here = left < fit ? left : fit;
        left -= here;
        do {
            uint16_t **at = ends + (held & mask);
            *(*at)++ = *places++;
            held >>= together;
        } while (--here);
    }
    return ranks;
}

/* Sums of all channels of a group, two words of two for every word. */
SBC_APART static void sum_channels(const sbc_image *input, const uint32_t *values,
                                   uint32_t channels, uint32_t *sums) {
    for (uint32_t i = 0; i < input->plane; ++i) {
        const uint32_t *at = values + i;
        uint32_t even = 0, odd = 0;
        for (uint32_t c = 0; c < channels; ++c, at += input->plane) {
            even = add_even(even, *at);
            odd = add_odd(odd, *at);
        }
        sums[2 * i] = even;
        sums[2 * i + 1] = odd;
    }
}

/* totals[pixel] += the codes under its window, four pixels for every word of the output. Whole
 * numbers below 2^24, which floats add exactly. */
SBC_APART static void add_totals(const sbc_low_bit *layer, const uint32_t *sums, float *totals) {
    const sbc_window *window = &layer->window;
    const uint32_t row = 2u * layer->input->row;
    for (uint32_t y = 0; y < layer->output->height; ++y)
        for (uint32_t j = 0; j < layer->output->columns; ++j, totals += 4) {
            const uint32_t *at = sums + y * window->stride_y * row + 2 * j * window->stride_x;
            uint32_t a = 0, b = 0, c = 0, d = 0;
            for (uint32_t r = 0; r < window->height; ++r, at += window->dilation_y * row)
                for (uint32_t s = 0; s < window->width; ++s) {
                    const uint32_t even = at[2 * s * window->dilation_x];
                    const uint32_t odd = at[2 * s * window->dilation_x + 1];
                    a += even & 0xffffu;
                    b += odd & 0xffffu;
                    c += even >> 16;
                    d += odd >> 16;
                }
            totals[0] += (float)(int32_t)a;
            totals[1] += (float)(int32_t)b;
            totals[2] += (float)(int32_t)c;
            totals[3] += (float)(int32_t)d;
        }
}

/* The first word that a window at pixel (0, 0) sees, of channel 0. */
static uint32_t window_origin(const sbc_image *input, const sbc_window *window) {
    return (uint32_t)(input->top - window->top) * input->row + input->left - window->left;
}

static void total_windows(const sbc_low_bit *layer, const uint32_t *values,
                          const sbc_scratch *scratch) {
    enum { MOST_CHANNELS = 256 }; /* times 255 fits 16 bits */
    const uint32_t channels = layer->input->channels / layer->groups;
    const uint32_t pixels = 4u * layer->output->height * layer->output->columns;
    const uint32_t taps = (uint32_t)layer->window.height * layer->window.width;
    const float zeros = (float)(int32_t)(channels * taps * layer->input->zero);
    for (uint32_t i = 0; i < pixels; ++i)
        scratch->totals[i] = -zeros;
    for (uint32_t c = 0; c < channels; c += MOST_CHANNELS) {
        const uint32_t left = channels - c;
        sum_channels(layer->input, values + c * layer->input->plane,
                     left < MOST_CHANNELS ? left : MOST_CHANNELS, scratch->sums);
        add_totals(layer, scratch->sums + 2 * window_origin(layer->input, &layer->window),
                   scratch->totals);
    }
}

/* Two words of the output, or one, and the windows of their pixels in channel 0. */
typedef struct tile {
    const uint32_t *first, *second;
    uint32_t words, at, next; /* in a plane of the output; next: from one word to the other */
    const float *totals[2];   /* T, of the pixels of each */
} tile;

/* Sums of 16 bits, pixel by pixel: those of the first chunk, or more. A chunk's fit them. */
SBC_APART static void take_sums(uint32_t together, uint32_t (*y)[4], const int32_t *shift, int more,
                                int32_t (*sums)[PIXELS]) {
    for (uint32_t f = 0; f < together; ++f) {
        const int32_t first = shift ? *shift++ : 0;
        for (uint32_t word = 0; word < 2; ++word) {
            const uint32_t even = y[f][2 * word], odd = y[f][2 * word + 1];
            int32_t *to = sums[f] + 4 * word;
            to[0] = (more ? to[0] : first) + (int32_t)(even & 0xffffu);
            to[1] = (more ? to[1] : first) + (int32_t)(odd & 0xffffu);
            to[2] = (more ? to[2] : first) + (int32_t)(even >> 16);
            to[3] = (more ? to[3] : first) + (int32_t)(odd >> 16);
        }
    }
}

/* A of filter k from the sums of its mask or masks, where take_sums has not made it. */
static void make_exact(const sbc_low_bit *layer, uint32_t k, const tile *tile,
                       int32_t (*sums)[PIXELS]) {
    const int32_t shift = layer->shift[k];
    if (layer->kind == SBC_TERNARY)
        for (uint32_t i = 0; i < PIXELS; ++i)
            sums[0][i] += shift - sums[1][i];
    if (layer->kind == SBC_TWO_SIGNS)
        for (uint32_t i = 0; i < PIXELS; ++i)
            sums[0][i] += sums[0][i] + shift - (int32_t)tile->totals[i / 4][i % 4];
}

typedef struct filters {
    uint32_t first, count, masks; /* masks: of a filter */
    uint32_t together;            /* of all, two at least */
} filters;

SBC_APART static void finish_tile(const sbc_low_bit *layer, const filters *filters,
                                  const tile *tile, int32_t (*sums)[PIXELS],
                                  const uint32_t *residual, uint32_t *output) {
    for (uint32_t i = 0; i < filters->count; ++i) {
        const uint32_t k = filters->first + i, plane = k * layer->output->plane + tile->at;
        int32_t (*exact)[PIXELS] = sums + i * filters->masks;
        make_exact(layer, k, tile, exact);
        for (uint32_t word = 0; word < tile->words; ++word) {
            const uint32_t at = plane + word * tile->next;
            output[at] = sbc_finish(&layer->ending, k, exact[0] + 4 * word, tile->totals[word],
                                    residual ? residual + at : NULL);
        }
    }
}

static void run_tile(const sbc_low_bit *layer, const filters *filters, const tile *tile,
                     const uint32_t *residual, uint32_t *output, const sbc_scratch *scratch) {
    const uint32_t channels = layer->input->channels / layer->groups, together = filters->together;
    const uint32_t taps = (uint32_t)layer->window.height * layer->window.width;
    const uint16_t *offsets = scratch->offsets;
    uint16_t *const *ends = scratch->ends;
    /* masks beyond the last filter have no shift and are not wanted */
    const uint32_t masks = filters->count * filters->masks;
    const int32_t *shift = layer->kind == SBC_ONE_SIGN ? layer->shift + filters->first : NULL;
    int32_t sums[MOST_TOGETHER][PIXELS];
    uint32_t y[MOST_TOGETHER][4];
    for (uint32_t c = 0; c < channels; c += layer->chunk) {
        walk(tile->first, tile->second, offsets, ends, together, y);
        take_sums(masks, y, shift, c > 0, sums);
        offsets += layer->chunk * taps;
        ends += 1u << together;
    }
    finish_tile(layer, filters, tile, sums, residual, output);
}

/* All pixels for some filters, whose inputs are listed. values: of the group's first channel. */
static void run_filters(const sbc_low_bit *layer, const filters *filters, const uint32_t *values,
                        const uint32_t *residual, uint32_t *output, const sbc_scratch *scratch) {
    const sbc_image *to = layer->output;
    const sbc_window *window = &layer->window;
    const uint32_t row = (uint32_t)layer->input->row * window->stride_y;
    /* neighbours in a row go together, or where their number is odd, in a column */
    const uint32_t down = to->columns % 2 ? 2 : 1, across = 3 - down;
    tile tile;
    for (uint32_t y = 0; y < to->height; y += down)
        for (uint32_t j = 0; j < to->columns; j += across) {
            tile.words = y + down > to->height ? 1 : 2;
            tile.next = down == 2 ? to->row : 1;
            tile.at = (y + to->top) * to->row + to->left + j;
            tile.first =
                values + window_origin(layer->input, window) + y * row + j * window->stride_x;
            tile.second = tile.first;
            if (tile.words == 2)
                tile.second += down == 2 ? row : window->stride_x;
            tile.totals[0] = scratch->totals + 4 * (y * to->columns + j);
            tile.totals[1] = tile.totals[0];
            if (tile.words == 2)
                tile.totals[1] += down == 2 ? 4u * to->columns : 4;
            run_tile(layer, filters, &tile, residual, output, scratch);
        }
}

void sbc_low_bit_conv2d(const sbc_low_bit *layer, const uint32_t *input, const uint32_t *residual,
                        uint32_t *output, const sbc_scratch *scratch) {
    const uint32_t channels = layer->input->channels / layer->groups;
    const uint32_t outputs = layer->output->channels / layer->groups;
    const uint32_t taps = (uint32_t)layer->window.height * layer->window.width;
    const uint32_t *ranks = layer->ranks;
    const uint8_t *counts = layer->counts;
    filters filters;
    filters.masks = layer->kind == SBC_TERNARY ? 2 : 1;
    sbc_list_places(layer->input, &layer->window, channels, scratch->places);
    for (uint32_t g = 0; g < layer->groups; ++g, input += channels * layer->input->plane) {
        if (layer->kind == SBC_TWO_SIGNS || layer->ending.offset)
            total_windows(layer, input, scratch);
        for (uint32_t k = 0, left = layer->parts; k < outputs; k += filters.count, --left) {
            uint16_t *offsets = scratch->offsets, **ends = scratch->ends;
            filters.first = g * outputs + k;
            filters.count = (outputs - k + left - 1) / left;
            filters.together = filters.count * filters.masks;
            filters.together += filters.together < 2;
            for (uint32_t c = 0; c < channels; c += layer->chunk) {
                const uint32_t rest = channels - c;
                const uint32_t here = rest < layer->chunk ? rest : layer->chunk;
                ranks = list_inputs(ranks, filters.together, counts, scratch->places + c * taps,
                                    here * taps, offsets, ends);
                counts += (1u << filters.together) - 1;
                offsets += layer->chunk * taps;
                ends += 1u << filters.together;
            }
            run_filters(layer, &filters, input, residual, output, scratch);
        }
    }
    sbc_fill_border(layer->output, output);
}
