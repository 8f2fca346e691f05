/* Tables of 4 inputs, 16 sums of 16 bits, and one look-up after the other: on any processor. */
#ifndef SB_KERNELS_CELLS_PLAIN_H
#define SB_KERNELS_CELLS_PLAIN_H

#include "../tally.h"

enum { SB_PLAIN_INPUTS = 4, SB_PLAIN_SUMS = 16, SB_CELL_PARTS = SB_INPUTS / SB_PLAIN_INPUTS };
_Static_assert(SB_CELL_PARTS * SB_PLAIN_SUMS * 2 <= SB_TABLE_BYTES, "tables have room");

/* count: of the inputs, the others being zero. */
static inline void sb_make_tables(const uint16_t *codes, size_t count, uint8_t *tables) {
    uint16_t *sums = (uint16_t *)(void *)tables;
    for (size_t part = 0; part < SB_CELL_PARTS; ++part, sums += SB_PLAIN_SUMS) {
        sums[0] = 0;
        for (size_t j = 0; j < SB_PLAIN_INPUTS; ++j) {
            const size_t input = part * SB_PLAIN_INPUTS + j, had = (size_t)1 << j;
            const unsigned code = input < count ? codes[input] : 0;
            for (size_t entry = 0; entry < had; ++entry)
                sums[had + entry] = (uint16_t)(sums[entry] + code);
            SB_TALLY(had);
        }
    }
}

static inline int32_t sb_look_up_cell(const uint8_t *cell, const uint16_t *tables) {
    int32_t sum = 0;
    for (int byte = 0; byte < SB_CELL_BYTES; ++byte, tables += 2 * SB_PLAIN_SUMS)
        sum += tables[cell[byte] & 15] + tables[SB_PLAIN_SUMS + (cell[byte] >> 4)];
    SB_TALLY(2 * SB_CELL_BYTES);
    return sum;
}

/* The bytes of a word lie as the packer puts them, the lower one first. */
static inline void sb_look_up_images(const sb_table_run *run, size_t images) {
    for (size_t image = 0; image < images; ++image)
        for (size_t v = 0; v < run->vectors; ++v) {
            int32_t *target = run->sums + image * SB_FILTERS + v * SB_TABLE_VECTOR;
            const uint8_t *tables = run->tables + image * SB_TABLE_BYTES;
            int32_t sums[SB_TABLE_VECTOR] = {0};
            for (size_t c = 0; c < run->cells; ++c, tables += images * SB_TABLE_BYTES) {
                const uint8_t *cells =
                    run->weights + c * run->step + v * SB_TABLE_VECTOR * SB_CELL_BYTES;
                for (int i = 0; i < SB_TABLE_VECTOR; ++i)
                    sums[i] += sb_look_up_cell(cells + i * SB_CELL_BYTES,
                                               (const uint16_t *)(const void *)tables);
            }
            for (int i = 0; i < SB_TABLE_VECTOR; ++i) {
                int32_t *sum = target + sb_table_filter(i);
                *sum = (run->opens ? 0 : *sum) + (run->minus ? -sums[i] : sums[i]);
            }
        }
}

static inline void sb_look_up_one(const sb_table_run *run) {
    sb_look_up_images(run, 1);
}

#if SB_VECTORS == 2
static inline void sb_look_up_two(const sb_table_run *run) {
    sb_look_up_images(run, 2);
}
#endif

#endif
