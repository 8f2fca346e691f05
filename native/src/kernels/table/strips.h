/* Sums of inputs by table, for weights of two or three values.
 *
 * 5 inputs have 32 sums. They are made once per image, and 5 bits of a filter's weights choose the
 * one of its inputs; a permutation chooses for all filters of a vector at once:
 *   weights 1 0 1 1 0   ->   entry 13   ->   q0 + q2 + q3
 * So a weight is one bit wherever it lies, and what a layer takes depends neither on how many of
 * its weights are zero nor on the batch. Digits of sign 1 (-1, where weights have three values) are
 * looked up in the same tables and subtracted.
 *
 * The layer is cut into chunks of cells, whose tables are made for SB_TABLE_IMAGES images and then
 * serve all filters, a block at a time, SB_VECTORS images together. Of codes one image alone has
 * the tables of as many chunks at once. SB_TABLE_CODES: inputs are codes, sums whole numbers; else
 * both are float32. What differs is in words_avx512.h, nibbles_avx2.h, nibbles_neon.h,
 * floats_avx512.h, floats_avx2.h or cells_plain.h: sb_make_tables      the tables of one cell
 * sb_look_up_one sums of a block of filters, for one image sb_look_up_two      for two images that
 * lie side by side, where SB_VECTORS is 2 */
#ifndef SB_KERNELS_TABLE_STRIPS_H
#define SB_KERNELS_TABLE_STRIPS_H

#include "../kernel.h"
#include "../lane/lane_vector.h"
#include "table_format.h"

#include <string.h>

#ifdef SB_TABLE_CODES
#ifdef SB_CODES
typedef sb_code sb_table_input;
#else
typedef uint16_t sb_table_input; /* codes of the kernel's own making */
#endif
typedef int32_t sb_table_sum;
#define SB_SUMS_CODES 1
#else
typedef float sb_table_input;
typedef float sb_table_sum;
#define SB_SUMS_CODES 0
#endif

enum {
    SB_INPUTS = SB_CELL_INPUTS(SB_SUMS_CODES, SB_FILTERS),
    SB_BYTES = SB_CELL_BYTES(SB_SUMS_CODES, SB_FILTERS),
    SB_VECTOR = SB_CELL_FILTERS(SB_SUMS_CODES, SB_FILTERS),
    SB_TABLE_BYTES = SB_CELL_TABLES(SB_SUMS_CODES, SB_FILTERS),
    SB_CHUNK = SB_CELL_CHUNK(SB_SUMS_CODES, SB_FILTERS),
    SB_BLOCK_VECTORS = SB_FILTERS / SB_VECTOR
};
_Static_assert(SB_FILTERS % SB_VECTOR == 0, "a block is whole vectors");

/* Some cells of one sign of a block. tables: [cell][image][SB_TABLE_BYTES]; step: bytes from a
 * cell's vectors to the next one's; sums: [image][SB_FILTERS], which become the cells' (opens), or
 * grow or (minus) shrink by them. */
typedef struct sb_table_run {
    const uint8_t *weights, *tables;
    sb_table_sum *sums;
    size_t cells, vectors, step;
    bool opens, minus;
} sb_table_run;

#if defined(__AVX512BW__) && SB_SUMS_CODES && SB_FILTERS == 256 && !defined(SB_PLAIN_C)
#include "words_avx512.h"
#elif defined(__AVX2__) && SB_SUMS_CODES && SB_FILTERS == 64 && !defined(SB_PLAIN_C)
#include "nibbles_avx2.h"
#elif defined(__aarch64__) && SB_SUMS_CODES && SB_FILTERS == 64 && !defined(SB_PLAIN_C)
#include "nibbles_neon.h"
#elif defined(__AVX512F__) && !SB_SUMS_CODES && SB_FILTERS == 128 && !defined(SB_PLAIN_C)
#include "floats_avx512.h"
#elif defined(__AVX2__) && !SB_SUMS_CODES && SB_FILTERS == 48 && !defined(SB_PLAIN_C)
#include "floats_avx2.h"
#else
#include "cells_plain.h"
#endif

/* What a share works on: images [first, first + count), blocks [begin, end), and cells [cell, cell
 * + cells) of them. inputs: of the first image. tables: of images that are looked up together side
 * by side. sums: [block - begin][image][F]. spare: scratch behind the sums. */
typedef struct sb_table_strip {
    const sb_table_input *inputs;
    uint8_t *tables;
    sb_table_sum *sums;
    void *spare;
    size_t count, begin, end, cell, cells;
} sb_table_strip;

static inline sb_table_strip sb_strip_of(const sb_layer *layer, const sb_operands *operands) {
    const size_t filters = (size_t)layer->geometry.out_channels;
    const size_t cells = sb_table_cells((size_t)layer->geometry.in_channels, SB_INPUTS);
    const size_t blocks = (filters + SB_FILTERS - 1) / SB_FILTERS;
    const sb_table_format format = sb_table_format_of(SB_SUMS_CODES, SB_FILTERS);
    sb_table_strip strip = {.tables = operands->scratch};
    strip.sums = (sb_table_sum *)(void *)(strip.tables + sb_table_room(cells, &format));
    strip.spare = strip.sums + blocks * SB_FILTERS * SB_TABLE_IMAGES;
    sb_take_share(operands, blocks, &strip.begin, &strip.end);
    return strip;
}

static inline sb_table_sum *sb_sums_of(const sb_table_strip *strip, size_t block, size_t image) {
    return strip->sums + ((block - strip->begin) * SB_TABLE_IMAGES + image) * SB_FILTERS;
}

/* Tables of an image lie behind those of all images before it that are not looked up with it. */
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
            sb_make_tables(strip->inputs + image * channels + first,
                           left < SB_INPUTS ? left : SB_INPUTS, tables);
        }
    }
}

static inline void sb_look_up_images(const sb_table_strip *strip, const sb_table_run *whole,
                                     size_t block) {
    for (size_t image = 0; image < strip->count;) {
        const size_t together = sb_together(strip, image);
        sb_table_run run = *whole;
        run.tables = sb_tables_of(strip, image);
        run.sums = sb_sums_of(strip, block, image);
#if SB_VECTORS == 2
        if (together == 2)
            sb_look_up_two(&run);
        else
#endif
            sb_look_up_one(&run);
        image += together;
    }
}

/* One block of filters over the strip's cells and images. */
static inline void sb_look_up_block(const sb_layer *layer, const sb_table_strip *strip,
                                    size_t block) {
    const sb_table_weights *weights = &layer->tables;
    const size_t filters = (size_t)layer->geometry.out_channels;
    const size_t cells = sb_table_cells((size_t)layer->geometry.in_channels, SB_INPUTS);
    const size_t left = (filters - block * SB_FILTERS + SB_VECTOR - 1) / SB_VECTOR;
    const size_t vectors = left < SB_BLOCK_VECTORS ? left : SB_BLOCK_VECTORS;
    const size_t step = vectors * SB_VECTOR * SB_BYTES, signs = (size_t)weights->signs;
    const uint8_t *first =
        weights->masks + block * SB_FILTERS * SB_BYTES * cells * signs + strip->cell * step;
    for (size_t sign = 0; sign < signs; ++sign) {
        const sb_table_run run = {.weights = first + sign * cells * step,
                                  .cells = strip->cells,
                                  .vectors = vectors,
                                  .step = step,
                                  .opens = strip->cell == 0 && sign == 0,
                                  .minus = sign == 1};
        sb_look_up_images(strip, &run, block);
    }
}

/* Sums of all blocks of the share for the strip's images. Floats are added in the same order
 * whatever the batch. */
static inline void sb_sum_strip(const sb_layer *layer, sb_table_strip *strip) {
    const size_t cells = sb_table_cells((size_t)layer->geometry.in_channels, SB_INPUTS);
    const bool alone = SB_SUMS_CODES && strip->count == 1;
    const size_t chunk = (size_t)SB_CHUNK * (alone ? SB_TABLE_IMAGES : 1);
    for (strip->cell = 0; strip->cell < cells; strip->cell += chunk) {
        const size_t left = cells - strip->cell;
        strip->cells = left < chunk ? left : chunk;
        sb_make_strip_tables(layer, strip);
        for (size_t block = strip->begin; block < strip->end; ++block)
            sb_look_up_block(layer, strip, block);
    }
}

#endif
