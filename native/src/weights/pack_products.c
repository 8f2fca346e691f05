#include "pack_products.h"

#include "checked.h"
#include "kernels/view.h"

#include <string.h>

enum { WAITING = 8 }; /* single steps for which a partner may yet come */

/* Where the bytes of a step come from: the tap of each within a filter's [C/G][R][S], or -1. */
typedef struct sb_window_step {
    int32_t offset;
    int32_t tap[SB_MOST_STEP_BYTES];
} sb_window_step;

/* Channels that follow one another in memory: those of a tap, or of a whole row of taps where
 * nothing lies between the pixels. */
typedef struct sb_window_runs {
    int32_t per_row, length, channels;
} sb_window_runs;

static sb_window_runs plan_runs(const sb_layer *layer) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t channels = geometry->in_channels / geometry->groups;
    if (geometry->groups == 1 && geometry->dilation_width == 1 && layer->input.pitch == channels)
        return (sb_window_runs){1, channels * geometry->kernel_width, channels};
    return (sb_window_runs){geometry->kernel_width, channels, channels};
}

/* bytes: of a step. */
static size_t count_steps(const sb_layer *layer, int32_t bytes) {
    const sb_window_runs runs = plan_runs(layer);
    const int32_t steps = (runs.length + bytes - 1) / bytes;
    return (size_t)layer->geometry.kernel_height * runs.per_row * steps;
}

static void list_steps(const sb_layer *layer, int32_t group, int32_t bytes, sb_window_step *steps) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_window_runs runs = plan_runs(layer);
    const int32_t pitch = layer->input.pitch, columns = sb_view_columns(&layer->input);
    const int32_t kernel = geometry->kernel_height * geometry->kernel_width;
    for (int32_t r = 0; r < geometry->kernel_height; ++r)
        for (int32_t s = 0; s < runs.per_row; ++s)
            for (int32_t i = 0; i < runs.length; i += bytes, ++steps) {
                steps->offset = r * geometry->dilation_height * columns * pitch +
                                s * geometry->dilation_width * pitch + group * runs.channels + i;
                for (int32_t j = 0; j < bytes; ++j) {
                    const int32_t at = i + j;
                    steps->tap[j] = at < runs.length
                                        ? at % runs.channels * kernel + r * geometry->kernel_width +
                                              s + at / runs.channels
                                        : -1;
                }
            }
}

/* Filters of one block. top: of the input's codes; bytes: of a step. */
typedef struct sb_block_filters {
    const int8_t *weights;
    size_t taps;
    int32_t count, top, bytes;
} sb_block_filters;

static int32_t weight_of(const sb_block_filters *filters, const sb_window_step *step,
                         int32_t filter, int32_t byte) {
    return step->tap[byte] < 0 ? 0 : filters->weights[filter * filters->taps + step->tap[byte]];
}

static bool all_zero(const sb_block_filters *filters, const sb_window_step *step) {
    for (int32_t f = 0; f < filters->count; ++f)
        for (int32_t j = 0; j < filters->bytes; ++j)
            if (weight_of(filters, step, f, j))
                return false;
    return true;
}

/* Whether sums of the products of two neighbouring bytes of both steps fit 16 bits, whatever the
 * codes: the greatest and the least one do. */
static bool fit_together(const sb_block_filters *filters, const sb_window_step *a,
                         const sb_window_step *b) {
    for (int32_t f = 0; f < filters->count; ++f)
        for (int32_t half = 0; half < filters->bytes; half += 2) {
            int32_t above = 0, below = 0;
            for (int32_t j = half; j < half + 2; ++j) {
                const int32_t weights[] = {weight_of(filters, a, f, j),
                                           weight_of(filters, b, f, j)};
                for (int i = 0; i < 2; ++i) {
                    above += weights[i] > 0 ? weights[i] : 0;
                    below += weights[i] < 0 ? weights[i] : 0;
                }
            }
            if (above * filters->top > INT16_MAX || below * filters->top < INT16_MIN)
                return false;
        }
    return true;
}

/* Steps in the order of their block: pairs, then those without a partner. */
typedef struct sb_step_order {
    int32_t *pairs, *singles;
    int32_t paired, single;
} sb_step_order;

/* The first of the last few single steps that goes with a step, or -1. */
static int32_t find_partner(const sb_block_filters *filters, const sb_window_step *steps,
                            const sb_step_order *order, int32_t step) {
    const int32_t first = order->single > WAITING ? order->single - WAITING : 0;
    for (int32_t i = first; i < order->single; ++i)
        if (fit_together(filters, steps + order->singles[i], steps + step))
            return i;
    return -1;
}

/* Steps of zeros are left out, but for one where there is nothing else. */
static void order_steps(const sb_block_filters *filters, const sb_window_step *steps, int32_t count,
                        bool pairs, sb_step_order *order) {
    order->paired = order->single = 0;
    for (int32_t i = 0; i < count; ++i) {
        if (all_zero(filters, steps + i))
            continue;
        const int32_t partner = pairs ? find_partner(filters, steps, order, i) : -1;
        if (partner < 0) {
            order->singles[order->single++] = i;
            continue;
        }
        order->pairs[order->paired++] = order->singles[partner];
        order->pairs[order->paired++] = i;
        memmove(order->singles + partner, order->singles + partner + 1,
                (size_t)(--order->single - partner) * sizeof *order->singles);
    }
    if (!order->paired && !order->single)
        order->singles[order->single++] = 0;
}

/* What is written next, and the scratch of packing one block after the other. */
typedef struct sb_product_writer {
    sb_product_format format;
    sb_window_step *steps;
    size_t step_count;
    sb_step_order order;
    sb_product_block *blocks;
    int8_t *weights;
    int32_t *offsets;
    size_t weights_end, offsets_end;
} sb_product_writer;

/* The weight at place i of vector v, see product_format.h. */
static int32_t place_weight(const sb_block_filters *filters, const sb_window_step *step,
                            const sb_product_format *format, int32_t v, int32_t i) {
    const int32_t piece = format->wide ? 1 : format->piece, lane = i / piece % format->lanes;
    const int32_t byte = i / (piece * format->lanes) * piece + i % piece;
    const int32_t filter = v * format->lanes + lane;
    return filter < filters->count ? weight_of(filters, step, filter, byte) : 0;
}

static void write_step(const sb_block_filters *filters, const sb_window_step *step,
                       sb_product_writer *writer) {
    const sb_product_format *format = &writer->format;
    const int32_t vectors = (filters->count + format->lanes - 1) / format->lanes;
    const int32_t size = format->lanes * format->step;
    writer->offsets[writer->offsets_end++] = step->offset;
    for (int32_t v = 0; v < vectors; ++v) {
        int8_t *bytes = writer->weights + writer->weights_end;
        int16_t *wide = (int16_t *)(void *)bytes;
        for (int32_t i = 0; i < size; ++i) {
            const int32_t weight = place_weight(filters, step, format, v, i);
            if (format->wide)
                wide[i] = (int16_t)weight;
            else
                bytes[i] = (int8_t)weight;
        }
        writer->weights_end += (size_t)size * (format->wide ? sizeof *wide : 1);
    }
}

static void write_block(const sb_block_filters *filters, int32_t first_filter,
                        sb_product_writer *writer) {
    sb_step_order *order = &writer->order;
    const int32_t lanes = writer->format.lanes;
    order_steps(filters, writer->steps, (int32_t)writer->step_count, writer->format.pairs, order);
    *writer->blocks++ = (sb_product_block){.first_filter = first_filter,
                                           .filters = filters->count,
                                           .vectors = (filters->count + lanes - 1) / lanes,
                                           .paired = order->paired,
                                           .steps = order->paired + order->single,
                                           .weights_begin = writer->weights_end,
                                           .offsets_begin = writer->offsets_end};
    for (int32_t i = 0; i < order->paired; ++i)
        write_step(filters, writer->steps + order->pairs[i], writer);
    for (int32_t i = 0; i < order->single; ++i)
        write_step(filters, writer->steps + order->singles[i], writer);
}

static void write_blocks(const sb_layer *layer, const sb_product_spec *spec,
                         sb_product_writer *writer) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t filters = geometry->out_channels / geometry->groups;
    const size_t taps = (size_t)(geometry->in_channels / geometry->groups) *
                        geometry->kernel_height * geometry->kernel_width;
    for (int32_t group = 0; group < geometry->groups; ++group) {
        list_steps(layer, group, spec->format.step, writer->steps);
        for (int32_t k = 0; k < filters; k += spec->filters) {
            const size_t filter = (size_t)group * filters + k;
            const sb_block_filters block = {spec->weights + filter * taps, taps,
                                            filters - k < spec->filters ? filters - k
                                                                        : spec->filters,
                                            spec->top, spec->format.step};
            write_block(&block, k, writer);
        }
    }
}

sb_status sb_pack_products(const sb_layer *layer, const sb_product_spec *spec, sb_memory *memory,
                           sb_product_weights *weights) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t filters = geometry->out_channels / geometry->groups;
    const size_t block_count = (size_t)((filters + spec->filters - 1) / spec->filters);
    const size_t steps = count_steps(layer, spec->format.step);
    size_t count = block_count, bytes = steps;
    if (!sb_checked_multiply(&count, (size_t)geometry->groups) ||
        !sb_checked_multiply(&bytes, count) ||
        !sb_checked_multiply(&bytes, (size_t)spec->filters * (size_t)spec->format.step) ||
        steps > INT32_MAX)
        return SB_OUT_OF_MEMORY;
    sb_memory temporary = {NULL};
    sb_product_writer writer = {.format = spec->format, .step_count = steps};
    writer.steps = sb_memory_take(&temporary, steps, sizeof *writer.steps);
    writer.order.pairs = sb_memory_take(&temporary, steps, sizeof *writer.order.pairs);
    writer.order.singles = sb_memory_take(&temporary, steps, sizeof *writer.order.singles);
    sb_product_block *blocks = sb_memory_take(memory, count, sizeof *blocks);
    writer.blocks = blocks;
    writer.weights = sb_memory_take(memory, bytes, spec->format.wide ? sizeof(int16_t) : 1);
    writer.offsets = sb_memory_take(memory, count * steps, sizeof *writer.offsets);
    const bool enough = writer.steps && writer.order.pairs && writer.order.singles && blocks &&
                        writer.weights && writer.offsets;
    if (enough) {
        write_blocks(layer, spec, &writer);
        *weights =
            (sb_product_weights){blocks, writer.weights, writer.offsets, (int32_t)block_count};
    }
    sb_memory_free(&temporary);
    return enough ? SB_OK : SB_OUT_OF_MEMORY;
}
