/* Bit-serial convolution of codes: the image into planes of bits once, then every window of every
 * lane against the filters' bitmaps, SB_FILTERS filters at a time. Ternary filters have a bitmap
 * for +1 and one for -1. SB_CODES, SB_LANES, SB_FILTERS and SB_VECTORS (1) stand in the kernel's
 * row. scratch: planes [pixel][lane][word][8], then sums [filter][lane] of one position. */
#ifndef SB_KERNELS_BITSERIAL_CONV2D_H
#define SB_KERNELS_BITSERIAL_CONV2D_H

#include "../bucket/collect.h"
#include "../bucket/window_totals.h"
#include "dot.h"

/* Planes of the channels of one convolution group, of every pixel of the view. */
static inline void sb_pack_planes(const sb_layer *layer, const sb_element *input, int32_t group,
                                  uint64_t *planes) {
    const size_t channels = (size_t)(layer->geometry.in_channels / layer->geometry.groups);
    const size_t words = layer->bits.words * SB_PLANES;
    const size_t pixels = (size_t)sb_view_rows(&layer->input) * sb_view_columns(&layer->input);
    for (size_t pixel = 0; pixel < pixels; ++pixel)
        for (size_t lane = 0; lane < SB_LANES; ++lane, planes += words)
            sb_pack_channels(
                input + (pixel * (size_t)layer->input.pitch + (size_t)group * channels) * SB_LANES +
                    lane,
                SB_LANES, channels, planes);
}

/* Words (of 64 bytes) from a window's first pixel to each of its taps. */
static inline void sb_list_taps(const sb_layer *layer, size_t *taps) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t columns = (size_t)sb_view_columns(&layer->input);
    for (int32_t r = 0; r < geometry->kernel_height; ++r)
        for (int32_t s = 0; s < geometry->kernel_width; ++s)
            *taps++ = ((size_t)r * geometry->dilation_height * columns +
                       (size_t)s * geometry->dilation_width) *
                      SB_LANES * layer->bits.words;
}

/* Sums of SB_FILTERS filters from `filter` on, which counts through the layer, for all lanes. */
static inline void sb_bits_filters(const sb_layer *layer, const sb_window_words *window,
                                   const uint64_t *planes, size_t filter, uint32_t *sums) {
    const sb_bit_weights *bits = &layer->bits;
    const size_t filter_words = window->count * window->words;
    for (size_t lane = 0; lane < SB_LANES; ++lane) {
        const uint64_t *first = planes + lane * bits->words * SB_PLANES;
        uint32_t plus[SB_FILTERS], minus[SB_FILTERS];
        sb_bits_dot(window, first, bits->plus + filter * filter_words, filter_words, plus);
        if (bits->minus) {
            sb_bits_dot(window, first, bits->minus + filter * filter_words, filter_words, minus);
            for (int f = 0; f < SB_FILTERS; ++f)
                plus[f] -= minus[f];
        }
        for (int f = 0; f < SB_FILTERS; ++f)
            sums[(size_t)f * SB_LANES + lane] = plus[f];
    }
}

/* The sums of a filter in the order of lanes that parts have. */
static inline sb_sums sb_in_parts(const uint32_t *lanes) {
    uint32_t ordered[SB_LANES];
    for (int lane = 0; lane < SB_LANES; ++lane)
        ordered[sb_place_of(lane)] = lanes[lane];
    sb_sums sums; /* the array need not lie where a vector may: only the optimiser puts it there */
    memcpy(&sums, ordered, sizeof sums);
    return sums;
}

static inline void sb_bits_position(const sb_layer *layer, const sb_window_words *window,
                                    const uint64_t *planes, const sb_collector *collector,
                                    const sb_tile *tile) {
    for (size_t filter = 0; filter < collector->filters; filter += SB_FILTERS) {
        uint32_t sums[SB_FILTERS * SB_LANES];
        sb_bits_filters(layer, window, planes, collector->first_filter + filter, sums);
        for (size_t f = 0; f < SB_FILTERS && filter + f < collector->filters; ++f) {
            sb_sums one = sb_in_parts(sums + f * SB_LANES);
            sb_finish_sums(layer, collector, filter + f, tile, &one);
        }
    }
}

static inline void sb_bitserial_conv2d(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t filters = (size_t)(geometry->out_channels / geometry->groups);
    const size_t tap_count = (size_t)geometry->kernel_height * geometry->kernel_width;
    const size_t pixels =
        (size_t)sb_view_rows(&layer->input) * sb_view_columns(&layer->input) * SB_LANES;
    const sb_total_element *totals = operands->totals;
    uint64_t *planes = operands->scratch;
    size_t *taps = (size_t *)(void *)(planes + pixels * layer->bits.words * SB_PLANES);
    const sb_window_words window = {taps, tap_count, layer->bits.words};
    size_t begin, end;
    sb_take_share(operands, sb_tile_count(&layer->output), &begin, &end);
    sb_list_taps(layer, taps);
    for (int32_t group = 0; begin < end && group < geometry->groups; ++group) {
        const sb_collector collector = {NULL, filters, (size_t)group * filters, 0};
        sb_cursor cursor = sb_cursor_at(&layer->output, begin);
        sb_pack_planes(layer, operands->input, group, planes);
        for (size_t position = begin; position < end; ++position) {
            sb_tile tile;
            sb_total sums[SB_VECTORS];
            sb_aim(layer, operands, group, &cursor, &tile);
            if (totals)
                sb_sum_windows(layer, totals + (size_t)group * pixels, &tile, sums);
            sb_bits_position(layer, &window,
                             planes + tile.pixel[0] * SB_LANES * layer->bits.words * SB_PLANES,
                             &collector, &tile);
        }
    }
}

#endif
