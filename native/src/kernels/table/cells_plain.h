/* Tables of 4 inputs, 16 sums, and one look-up after the other: any cells, on any processor. */
#ifndef SB_KERNELS_CELLS_PLAIN_H
#define SB_KERNELS_CELLS_PLAIN_H

#include "../tally.h"

enum { SB_PLAIN_INPUTS = 4, SB_PLAIN_SUMS = 16, SB_CELL_PARTS = 2 * SB_BYTES };

#ifdef SB_TABLE_CODES
typedef uint16_t sb_plain_sum; /* at most 4 * 255 */
#else
typedef float sb_plain_sum;
#endif
_Static_assert(SB_CELL_PARTS * SB_PLAIN_SUMS * sizeof(sb_plain_sum) <= SB_TABLE_BYTES,
               "tables have room");

/* count: of the inputs, the others being zero. */
static inline void sb_make_tables(const sb_table_input *inputs, size_t count, uint8_t *tables) {
    sb_plain_sum *sums = (sb_plain_sum *)(void *)tables;
    for (size_t part = 0; part < SB_CELL_PARTS; ++part, sums += SB_PLAIN_SUMS) {
        sums[0] = 0;
        for (size_t j = 0; j < SB_PLAIN_INPUTS; ++j) {
            const size_t input = part * SB_PLAIN_INPUTS + j, had = (size_t)1 << j;
            const sb_table_input number = input < count ? SB_INPUT_NUMBER(inputs[input]) : 0;
            for (size_t entry = 0; entry < had; ++entry)
                sums[had + entry] = (sb_plain_sum)(sums[entry] + number);
            SB_TALLY(had);
        }
    }
}

/* The bytes of a cell lie as the packer puts them, the lower ones first. */
static inline sb_table_sum sb_add_cell(sb_table_sum sum, const uint8_t *cell,
                                       const sb_plain_sum *tables) {
    for (int byte = 0; byte < SB_BYTES; ++byte, tables += 2 * SB_PLAIN_SUMS) {
        sum += (sb_table_sum)tables[cell[byte] & 15];
        sum += (sb_table_sum)tables[SB_PLAIN_SUMS + (cell[byte] >> 4)];
    }
    SB_TALLY(2 * SB_BYTES);
    return sum;
}

/* One vector; sums of either sign go by themselves. */
static inline void sb_look_up_vector(const sb_table_run *run, size_t image, size_t images,
                                     size_t v) {
    sb_table_sum *target = run->sums[image] + v * SB_VECTOR;
    const size_t side = image * run->second;
    const uint8_t *cells = run->weights + v * SB_VECTOR * SB_BYTES;
    sb_table_sum sums[SB_VECTOR] = {0};
    for (size_t c = 0; c < run->cells; ++c, cells += run->step) {
        const void *tables = sb_tables_at(run, images, c) + side;
        for (int i = 0; i < SB_VECTOR; ++i)
            sums[i] = sb_add_cell(sums[i], cells + i * SB_BYTES, (const sb_plain_sum *)tables);
    }
    for (int i = 0; i < SB_VECTOR; ++i) {
        sb_table_sum *sum = target + sb_table_filter(SB_VECTOR, i);
        *sum = (run->opens ? 0 : *sum) + (run->minus ? -sums[i] : sums[i]);
    }
}

static inline void sb_look_up_one(const sb_table_run *run) {
    for (size_t v = 0; v < run->vectors; ++v)
        sb_look_up_vector(run, 0, 1, v);
}

#if SB_VECTORS == 2
static inline void sb_look_up_two(const sb_table_run *run) {
    for (size_t v = 0; v < run->vectors; ++v)
        for (size_t image = 0; image < 2; ++image)
            sb_look_up_vector(run, image, 2, v);
}
#endif

#endif
