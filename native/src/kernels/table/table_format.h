/* Packed bits of table/linear.h, as it reads them and weights/pack_tables.c writes them. */
#ifndef SB_KERNELS_TABLE_FORMAT_H
#define SB_KERNELS_TABLE_FORMAT_H

/* A byte of bits is 8 inputs of one filter, the first 4 in its low half; a block of filters is that
 * many bytes. Tables of 8 inputs: two of 16 low and 16 high bytes. */
enum { SB_TABLE_INPUTS = 8, SB_TABLE_FILTERS = 32, SB_TABLE_BYTES = 64 };

/* The filter of byte i of a block: so that the sums of vectors come out in order. */
static inline int32_t sb_table_filter(int32_t byte) {
    return byte / 2 + byte % 2 * (SB_TABLE_FILTERS / 2);
}

#endif
