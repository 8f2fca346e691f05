/* y = W q for codes and weights of two or three values: sums of a few inputs by table.
 *
 * 5 inputs have 32 sums. They are made once per image, and 5 bits of a filter's weights choose the
 * one of its inputs; a permutation chooses for all filters of a vector at once:
 *   weights 1 0 1 1 0   ->   entry 13   ->   q0 + q2 + q3
 * So a weight is one bit wherever it lies, and what a layer takes depends neither on how many of
 * its weights are zero nor on the batch. Digits of sign 1 (-1, where weights have three values) are
 * looked up in the same tables and subtracted.
 *
 * The layer is cut into chunks of cells, whose tables are made for SB_TABLE_IMAGES images and then
 * serve all filters, a block at a time, SB_VECTORS images together. One image has all tables at
 * once, as far as they fit. What differs is in words_avx512.h, nibbles_avx2.h or cells_plain.h:
 *   sb_make_tables      the tables of one cell
 *   sb_look_up_one      sums of a block of filters, for one image
 *   sb_look_up_two      for two images that lie side by side, where SB_VECTORS is 2 */
#ifndef SB_KERNELS_TABLE_LINEAR_H
#define SB_KERNELS_TABLE_LINEAR_H

#include "finish_row.h"
#include "table_format.h"

_Static_assert(SB_FILTERS % SB_TABLE_VECTOR == 0, "a block is whole vectors");

enum {
    SB_INPUTS = SB_CELL_INPUTS(SB_FILTERS),
    SB_TABLE_BYTES = SB_CELL_TABLES(SB_FILTERS),
    SB_CELL_BYTES = SB_INPUTS / 8,
    SB_CHUNK_CELLS = SB_INPUTS == 16 ? 16 : 128
};

/* Some cells of one sign of a block. tables: [cell][image][SB_TABLE_BYTES]; step: bytes from a
 * cell's vectors to the next one's; sums: [image][SB_FILTERS], which become the cells' (opens), or
 * grow or (minus) shrink by them. */
typedef struct sb_table_run {
    const uint8_t *weights, *tables;
    int32_t *sums;
    size_t cells, vectors, step;
    bool opens, minus;
} sb_table_run;

#if defined(__AVX512BW__) && SB_FILTERS == 256 && !defined(SB_PLAIN_C)
#include "words_avx512.h"
#elif defined(__AVX2__) && SB_FILTERS == 64 && !defined(SB_PLAIN_C)
#include "nibbles_avx2.h"
#else
#include "cells_plain.h"
#endif

/* What a share works on: images [first, first + count), blocks [begin, end), and cells [cell, cell
 * + cells) of them. tables: of images pairwise side by side. sums: [block - begin][image][F]. */
typedef struct sb_table_strip {
    const uint16_t *codes;
    uint8_t *tables;
    int32_t *sums;
    size_t count, begin, end, cell, cells;
} sb_table_strip;

/* Tables of an image lie behind those of all pairs of images before its own. */
static inline uint8_t *sb_tables_of(const sb_table_strip *strip, size_t image) {
    return strip->tables + image / SB_VECTORS * SB_VECTORS * strip->cells * SB_TABLE_BYTES;
}

/* Images that are looked up together with the one of this number. */
static inline size_t sb_together(const sb_table_strip *strip, size_t image) {
    return image / SB_VECTORS * SB_VECTORS + SB_VECTORS <= strip->count ? SB_VECTORS : 1;
}

static inline void sb_make_strip_tables(const sb_layer *layer, const sb_table_strip *strip) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    for (size_t image = 0; image < strip->count; ++image) {
        const size_t together = sb_together(strip, image), side = image % together;
        uint8_t *tables = sb_tables_of(strip, image) + side * SB_TABLE_BYTES;
        for (size_t i = 0; i < strip->cells; ++i, tables += together * SB_TABLE_BYTES) {
            const size_t first = (strip->cell + i) * SB_INPUTS;
            const size_t left = channels - first;
            sb_make_tables(strip->codes + image * channels + first,
                           left < SB_INPUTS ? left : SB_INPUTS, tables);
        }
    }
}

/* One block of filters over the strip's cells and images. */
static inline void sb_look_up_block(const sb_layer *layer, const sb_table_strip *strip,
                                    size_t block) {
    const sb_table_weights *weights = &layer->tables;
    const size_t filters = (size_t)layer->geometry.out_channels;
    const size_t cells = sb_table_cells((size_t)layer->geometry.in_channels, SB_FILTERS);
    const size_t left = (filters - block * SB_FILTERS + SB_TABLE_VECTOR - 1) / SB_TABLE_VECTOR;
    const size_t most = SB_FILTERS / SB_TABLE_VECTOR, vectors = left < most ? left : most;
    const size_t step = vectors * SB_TABLE_VECTOR * SB_CELL_BYTES, signs = (size_t)weights->signs;
    const uint8_t *first =
        weights->masks + block * SB_FILTERS * SB_CELL_BYTES * cells * signs + strip->cell * step;
    for (size_t sign = 0; sign < signs; ++sign)
        for (size_t image = 0; image < strip->count;) {
            int32_t *sums =
                strip->sums + ((block - strip->begin) * SB_TABLE_IMAGES + image) * SB_FILTERS;
            const sb_table_run run = {first + sign * cells * step,
                                      sb_tables_of(strip, image),
                                      sums,
                                      strip->cells,
                                      vectors,
                                      step,
                                      strip->cell == 0 && sign == 0,
                                      sign == 1};
            const size_t together = sb_together(strip, image);
#if SB_VECTORS == 2
            if (together == 2)
                sb_look_up_two(&run);
            else
#endif
                sb_look_up_one(&run);
            image += together;
        }
}

static inline uint32_t sb_sum_codes(const uint16_t *codes, size_t count) {
    uint32_t total = 0;
    for (size_t c = 0; c < count; ++c)
        total += codes[c];
    return total;
}

static inline void sb_finish_strip(const sb_layer *layer, const sb_operands *operands,
                                   const sb_table_strip *strip, size_t first) {
    const size_t filters = (size_t)layer->geometry.out_channels;
    const size_t channels = (size_t)layer->geometry.in_channels;
    for (size_t image = 0; image < strip->count; ++image) {
        const bool shows = layer->sums.twice || layer->epilogue.offset;
        const uint32_t total = shows ? sb_sum_codes(strip->codes + image * channels, channels) : 0;
        for (size_t block = strip->begin; block < strip->end; ++block) {
            const size_t k = block * SB_FILTERS, left = filters - k;
            const sb_row row = {k, left < SB_FILTERS ? left : SB_FILTERS,
                                (first + image) * filters + k, total};
            sb_finish_row(layer, operands, &row,
                          strip->sums +
                              ((block - strip->begin) * SB_TABLE_IMAGES + image) * SB_FILTERS);
        }
    }
}

static inline void sb_table_linear(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    const size_t filters = (size_t)layer->geometry.out_channels;
    const size_t cells = sb_table_cells(channels, SB_FILTERS);
    sb_table_strip strip = {.tables = operands->scratch};
    strip.sums = (int32_t *)(void *)(strip.tables + sb_table_room(channels, SB_FILTERS));
    sb_take_share(operands, (filters + SB_FILTERS - 1) / SB_FILTERS, &strip.begin, &strip.end);
    if (strip.begin == strip.end)
        return;
    for (size_t n = 0; n < operands->batch; n += strip.count) {
        const size_t images = operands->batch - n;
        strip.count = images < SB_TABLE_IMAGES ? images : SB_TABLE_IMAGES;
        strip.codes = (const uint16_t *)operands->input + n * channels;
        const size_t chunk =
            strip.count == 1 ? SB_TABLE_ROOM / SB_TABLE_BYTES : (size_t)SB_CHUNK_CELLS;
        for (strip.cell = 0; strip.cell < cells; strip.cell += chunk) {
            const size_t left = cells - strip.cell;
            strip.cells = left < chunk ? left : chunk;
            sb_make_strip_tables(layer, &strip);
            for (size_t block = strip.begin; block < strip.end; ++block)
                sb_look_up_block(layer, &strip, block);
        }
        sb_finish_strip(layer, operands, &strip, n);
    }
}

#endif
