/* Products of codes and integers with filters in the lanes. A window is a list of steps; on x86, of
 * 4 bytes, which are broadcast and meet 4 integers of each filter of a vector:
 *   bytes    | q0 q1 q2 q3 | q0 q1 q2 q3 | ...
 *   weights  | filter 0    | filter 1    | ...     4 products per lane, added up in int32
 * A load of bytes serves all filters of a block, SB_FILTERS at most, a load of weights all pixels
 * of a tile, SB_PIXELS of them, whatever the window, the stride and the size of the image. What
 * differs between instruction sets is in multiply_<isa>.h, of the isa of the kernel's row:
 *   SB_SUM_LANES     filters of a vector of sums
 *   SB_WEIGHT_BYTES  of their weights of one step
 *   SB_CHUNK_STEPS   steps whose weights stay in a near cache while the tiles of a strip pass
 *   SB_MULTIPLIES_TILES   it has sb_multiply_tile, too; SB_TAIL_PIXELS: and pixels left over from
 *                         tiles of SB_PIXELS may come so many at once
 *   SB_ORDERED_SUMS       sums of filters lie in their order, sb_filter_position is idle
 *   SB_CENTRED_BYTES      bytes hold codes - SB_CODE_CENTRE */
#ifndef SB_KERNELS_PRODUCTS_H
#define SB_KERNELS_PRODUCTS_H

#include "../kernel.h"
#include "../lane/lane_vector.h"
#include "product_strip.h"

#define SB_BLOCK_VECTORS (SB_FILTERS / SB_SUM_LANES)
_Static_assert(SB_FILTERS % SB_SUM_LANES == 0 && SB_BLOCK_VECTORS >= 1 && SB_BLOCK_VECTORS <= 4,
               "a block of filters is 1 to 4 vectors of sums");

SB_INLINE uint8_t sb_byte_of_code(uint32_t code) {
#ifdef SB_CENTRED_BYTES
    return (uint8_t)(code ^ SB_CODE_CENTRE);
#else
    return (uint8_t)code;
#endif
}

SB_INLINE int32_t sb_code_of_byte(uint8_t byte) {
#ifdef SB_CENTRED_BYTES
    return byte ^ SB_CODE_CENTRE;
#else
    return byte;
#endif
}

#ifdef SB_MULTIPLIES_TILES
#define SB_PAIRS_STEPS 0
#else
#define SB_PAIRS_STEPS 1
/* The sums of `pixels` pixels of a strip, from `first` on, in registers over a run; width: 2 where
 * it is paired, else 1. */
SB_INLINE void sb_multiply_tile(int pixels, int vectors, int width, const sb_run *run,
                                const sb_strip *strip, size_t first) {
    sb_filter_sums sums[SB_PIXELS * SB_BLOCK_VECTORS];
    const uint8_t *pixel[SB_PIXELS];
    int32_t *kept[SB_PIXELS];
    const int8_t *weights = run->weights;
    SB_UNROLL
    for (int p = 0; p < pixels; ++p) {
        pixel[p] = strip->pixels[first + p];
        kept[p] = strip->sums + (size_t)strip->slots[first + p] * SB_FILTERS;
        SB_UNROLL
        for (int v = 0; v < vectors; ++v)
            sums[p * vectors + v] =
                run->opens ? sb_no_filter_sums() : sb_load_filter_sums(kept[p] + v * SB_SUM_LANES);
    }
    for (size_t i = 0; i < run->steps; i += width, weights += width * vectors * SB_WEIGHT_BYTES) {
        sb_filter_weights vector[2 * SB_BLOCK_VECTORS];
        const int32_t *offsets = run->offsets + i;
        SB_UNROLL
        for (int v = 0; v < width * vectors; ++v)
            vector[v] = sb_load_filter_weights(weights + v * SB_WEIGHT_BYTES);
        SB_UNROLL
        for (int p = 0; p < pixels; ++p) {
            if (width == 2)
                sb_multiply_pair(vectors, pixel[p] + offsets[0], pixel[p] + offsets[1], vector,
                                 sums + p * vectors);
            else
                sb_multiply_step(vectors, pixel[p] + offsets[0], vector, sums + p * vectors);
        }
    }
    SB_UNROLL
    for (int p = 0; p < pixels; ++p) {
        SB_UNROLL
        for (int v = 0; v < vectors; ++v)
            sb_store_filter_sums(kept[p] + v * SB_SUM_LANES, sums[p * vectors + v]);
    }
}

#endif

/* A run over all pixels of a strip. */
SB_INLINE void sb_multiply_tiles(int vectors, int width, const sb_run *run, const sb_strip *strip) {
    size_t i = 0;
    for (; i + SB_PIXELS <= strip->count; i += SB_PIXELS)
        sb_multiply_tile(SB_PIXELS, vectors, width, run, strip, i);
#ifdef SB_TAIL_PIXELS
    for (; i + SB_TAIL_PIXELS <= strip->count; i += SB_TAIL_PIXELS)
        sb_multiply_tile(SB_TAIL_PIXELS, vectors, width, run, strip, i);
#endif
    for (; i < strip->count; ++i)
        sb_multiply_tile(1, vectors, width, run, strip, i);
}

#define SB_MULTIPLY_STRIP(vectors)                                                                 \
    static void sb_multiply_strip_##vectors(const sb_run *run, const sb_strip *strip) {            \
        if (SB_PAIRS_STEPS && run->paired)                                                         \
            sb_multiply_tiles(vectors, 2, run, strip);                                             \
        else                                                                                       \
            sb_multiply_tiles(vectors, 1, run, strip);                                             \
    }
SB_MULTIPLY_STRIP(1)
#if SB_BLOCK_VECTORS > 1
SB_MULTIPLY_STRIP(2)
#endif
#if SB_BLOCK_VECTORS > 2
SB_MULTIPLY_STRIP(3)
SB_MULTIPLY_STRIP(4)
#endif

static inline void sb_multiply_strip(int32_t vectors, const sb_run *run, const sb_strip *strip) {
    static void (*const functions[])(const sb_run *, const sb_strip *) = {
        sb_multiply_strip_1,
#if SB_BLOCK_VECTORS > 1
        sb_multiply_strip_2,
#endif
#if SB_BLOCK_VECTORS > 2
        sb_multiply_strip_3,
        sb_multiply_strip_4,
#endif
    };
    functions[vectors - 1](run, strip);
}

/* The sums of all filters of a block over a strip, some steps at a time. */
static inline void sb_multiply_block(const sb_product_weights *weights,
                                     const sb_product_block *block, const sb_strip *strip) {
    const size_t ends[] = {(size_t)block->paired, (size_t)block->steps};
    const size_t step_bytes = (size_t)block->vectors * SB_WEIGHT_BYTES;
    size_t begin = 0;
    for (int part = 0; part < 2; ++part)
        while (begin < ends[part]) {
            const size_t left = ends[part] - begin;
            const sb_run run = {weights->weights + block->weights_begin + begin * step_bytes,
                                weights->offsets + block->offsets_begin + begin,
                                left < SB_CHUNK_STEPS ? left : SB_CHUNK_STEPS, part == 0,
                                begin == 0};
            sb_multiply_strip(block->vectors, &run, strip);
            begin += run.steps;
        }
}

#endif
