/* Convolution of codes with one channel per group: lanes are pixels, and every filter multiplies
 * its own channel. Two products of a code of at most 255 and an integer of at most 63 fit 16 bits
 * together, so taps go two by two before they widen. integers: [K][R * S, rounded up to even]. */
#ifndef SB_KERNELS_DEPTHWISE_CODES_H
#define SB_KERNELS_DEPTHWISE_CODES_H

#include "../bucket/collect.h"

enum { SB_DEPTHWISE_TAPS = 64, SB_DEPTHWISE_CHUNK = 128 };

/* Taps [first, first + count) of a layer, `count` even. offsets: elements from a window's first
 * pixel to each; the one beyond the last tap repeats it, and has weight 0. */
typedef struct sb_taps {
    int32_t first, count;
    size_t offsets[SB_DEPTHWISE_TAPS];
} sb_taps;

static inline void sb_list_taps(const sb_layer *layer, int32_t first, sb_taps *taps) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t all = geometry->kernel_height * geometry->kernel_width;
    const int32_t left = (all + 1) / 2 * 2 - first;
    const size_t pixel = (size_t)layer->input.pitch * SB_LANES;
    const size_t row = pixel * sb_view_columns(&layer->input) * geometry->dilation_height;
    taps->first = first;
    taps->count = left < SB_DEPTHWISE_TAPS ? left : SB_DEPTHWISE_TAPS;
    for (int32_t i = 0; i < taps->count; ++i) {
        const int32_t tap = first + i < all ? first + i : all - 1;
        taps->offsets[i] =
            (size_t)(tap / geometry->kernel_width) * row +
            (size_t)(tap % geometry->kernel_width) * pixel * geometry->dilation_width;
    }
}

#if defined(SB_CENTRED_BYTES) && defined(SB_NEON_CODES)
#include "taps_neon.h"
#elif defined(__AVX2__) && SB_LANES == 16 && !defined(SB_PLAIN_C)
#include "taps_avx2.h"
#else
/* 16 bits of codes, less their centre where weights are packed for that. */
SB_INLINE sb_vector sb_load_tap(const sb_element *address) {
#ifdef SB_CENTRED_BYTES
    return SB_SUBTRACT(SB_LOAD(address), SB_BROADCAST(SB_CODE_CENTRE));
#else
    return SB_LOAD(address);
#endif
}

/* sums += taps of one channel. weights: of the filter's first tap; windows: at the channel. */
SB_INLINE void sb_add_taps(const sb_taps *taps, const int8_t *weights,
                           const sb_element *const *windows, sb_sums *sums) {
    weights += taps->first;
    for (int32_t i = 0; i < taps->count; i += 2) {
        const sb_vector first = SB_BROADCAST(weights[i]), second = SB_BROADCAST(weights[i + 1]);
        const size_t here = taps->offsets[i], next = taps->offsets[i + 1];
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            sums[v] = sb_add_sums(
                sums[v],
                sb_widen_signed(SB_ADD(SB_MULTIPLY(first, sb_load_tap(windows[v] + here)),
                                       SB_MULTIPLY(second, sb_load_tap(windows[v] + next)))));
    }
}
#endif

/* The sum of a channel's codes under the windows. */
static inline void sb_total_taps(const sb_layer *layer, const sb_element *const *windows,
                                 sb_sums *totals) {
    const int32_t all = layer->geometry.kernel_height * layer->geometry.kernel_width;
    sb_taps taps;
    for (int v = 0; v < SB_VECTORS; ++v)
        totals[v] = sb_same_sums(0);
    for (int32_t tap = 0; tap < all; tap += taps.count) {
        sb_list_taps(layer, tap, &taps);
        for (int32_t i = 0; i < taps.count && tap + i < all; ++i)
            for (int v = 0; v < SB_VECTORS; ++v)
                totals[v] = sb_add_sums(totals[v], sb_widen(SB_LOAD(windows[v] + taps.offsets[i])));
    }
}

/* The sums of a filter at a tile. `taps` lists the first ones. */
SB_INLINE void sb_sum_filter(const sb_layer *layer, const sb_taps *taps, size_t filter,
                             const sb_element *const *windows, sb_sums *sums) {
    const int32_t all = layer->geometry.kernel_height * layer->geometry.kernel_width;
    const int8_t *weights = layer->integers + filter * ((size_t)all + all % 2);
    for (int v = 0; v < SB_VECTORS; ++v)
        sums[v] = sb_same_sums(0);
    sb_add_taps(taps, weights, windows, sums);
    for (int32_t tap = taps->count; tap < all; tap += SB_DEPTHWISE_TAPS) {
        sb_taps more;
        sb_list_taps(layer, tap, &more);
        sb_add_taps(&more, weights, windows, sums);
    }
}

/* All filters of one channel at a tile. */
static inline void sb_depthwise_channel(const sb_layer *layer, const sb_taps *taps, size_t channel,
                                        sb_tile *tile) {
    const size_t multiplier = (size_t)layer->geometry.out_channels / layer->geometry.groups;
    const sb_collector collector = {NULL, multiplier, 0, 0};
    const sb_element *windows[SB_VECTORS];
    sb_sums totals[SB_VECTORS];
    for (int v = 0; v < SB_VECTORS; ++v)
        windows[v] = tile->window[v] + channel * SB_LANES;
    if (layer->epilogue.offset) {
        sb_total_taps(layer, windows, totals);
        tile->total = totals;
    }
    for (size_t k = channel * multiplier; k < (channel + 1) * multiplier; ++k) {
        sb_sums sums[SB_VECTORS];
        sb_sum_filter(layer, taps, k, windows, sums);
        sb_finish_sums(layer, &collector, k, tile, sums);
    }
}

/* A filter per channel, and nothing after scale and bias but rounding to codes. */
static inline bool sb_is_plain_depthwise(const sb_layer *layer, const sb_operands *operands) {
    const sb_epilogue *epilogue = &layer->epilogue;
    return layer->geometry.out_channels == layer->geometry.groups && !epilogue->offset &&
           !epilogue->post_bias && !epilogue->requantize.floats && !operands->residual &&
           !sb_activation_shows(epilogue);
}

/* Channels [first, end) of a plain layer at a tile: the same numbers with fewer questions. */
static inline void sb_plain_depthwise(const sb_layer *layer, const sb_taps *taps, size_t first,
                                      size_t end, const sb_tile *tile) {
    const sb_requantize requantize = layer->epilogue.requantize;
    for (size_t c = first; c < end; ++c) {
        const sb_element *windows[SB_VECTORS];
        sb_sums sums[SB_VECTORS];
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            windows[v] = tile->window[v] + c * SB_LANES;
        sb_sum_filter(layer, taps, c, windows, sums);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v) {
            const sb_sums exact = sb_shift_sums(sums[v], layer->sums.shift[c]);
            const sb_reals scaled = sb_scale_reals(sb_to_reals(exact), layer->epilogue.scale[c]);
            SB_PUT(
                tile->output[v] + c * SB_LANES,
                sb_requantize_reals(&requantize, sb_shift_reals(scaled, layer->epilogue.bias[c])));
        }
    }
}

/* In chunks of channels that stay in the second cache while all tiles pass. */
static inline void sb_depthwise(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    const sb_split split = sb_divide(operands, sb_tile_count(&layer->output), channels);
    const bool plain = sb_is_plain_depthwise(layer, operands);
    sb_taps taps;
    sb_list_taps(layer, 0, &taps);
    for (size_t first = split.first_filters; first < split.end_filters;
         first += SB_DEPTHWISE_CHUNK) {
        const size_t left = split.end_filters - first;
        const size_t end = first + (left < SB_DEPTHWISE_CHUNK ? left : SB_DEPTHWISE_CHUNK);
        sb_cursor cursor = sb_cursor_at(&layer->output, split.first_tile);
        for (size_t t = split.first_tile; t < split.end_tile; ++t) {
            sb_tile tile;
            sb_aim(layer, operands, 0, &cursor, &tile);
            if (plain)
                sb_plain_depthwise(layer, &taps, first, end, &tile);
            else
                for (size_t c = first; c < end; ++c)
                    sb_depthwise_channel(layer, &taps, c, &tile);
        }
    }
}

#endif
