/* Linear layers by table (cells.h): the layer is cut into chunks of cells, whose tables are made
 * for SB_TABLE_IMAGES images and then serve all filters, a block at a time, SB_VECTORS images
 * together. Of codes one image alone has the tables of as many chunks at once; of floats, tables
 * hold inputs less the middle of their image (linear_floats.h). */
#ifndef SB_KERNELS_TABLE_STRIPS_H
#define SB_KERNELS_TABLE_STRIPS_H

#include "cells.h"

/* What a share works on: images [first, first + count), blocks [begin, end), and cells [cell, cell
 * + cells) of them. inputs: of the first image. tables: of images that are looked up together side
 * by side. sums: [block - begin][image][F]. spare: scratch behind the sums. middles: what inputs of
 * an image lose on their way into the tables; of floats alone. */
typedef struct sb_table_strip {
    const sb_table_input *inputs;
    uint8_t *tables;
    sb_table_sum *sums;
    void *spare;
    size_t count, begin, end, cell, cells;
#if !SB_SUMS_CODES
    float middles[SB_TABLE_IMAGES];
#endif
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

/* The tables of one cell of an image, whose inputs are the next `count` at most. */
static inline void sb_make_cell(const sb_table_strip *strip, size_t image,
                                const sb_table_input *inputs, size_t count, uint8_t *tables) {
    count = count < SB_INPUTS ? count : SB_INPUTS;
#if SB_SUMS_CODES
    (void)strip, (void)image;
    sb_make_tables(inputs, count, tables);
#else
    float centred[SB_INPUTS];
    for (size_t i = 0; i < count; ++i)
        centred[i] = inputs[i] - strip->middles[image];
    sb_make_tables(centred, count, tables);
#endif
}

static inline void sb_make_strip_tables(const sb_layer *layer, const sb_table_strip *strip) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    for (size_t image = 0; image < strip->count; ++image) {
        const size_t together = sb_together(strip, image), side = image % together;
        uint8_t *tables = sb_tables_of(strip, image) + side * SB_TABLE_BYTES;
        for (size_t i = 0; i < strip->cells; ++i, tables += together * SB_TABLE_BYTES) {
            const size_t first = (strip->cell + i) * SB_INPUTS;
            sb_make_cell(strip, image, strip->inputs + image * channels + first, channels - first,
                         tables);
        }
    }
}

static inline void sb_look_up_images(const sb_table_strip *strip, const sb_table_run *whole,
                                     size_t block) {
    for (size_t image = 0; image < strip->count;) {
        const size_t together = sb_together(strip, image);
        sb_table_run run = *whole;
        run.tables = sb_tables_of(strip, image);
        run.second = SB_TABLE_BYTES;
        run.sums[0] = sb_sums_of(strip, block, image);
        run.sums[1] = run.sums[0] + SB_FILTERS;
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
                                  .flight = weights->flight,
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
