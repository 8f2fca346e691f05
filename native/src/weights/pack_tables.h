/* Digits into bits that stand for rows of tables, at load. */
#ifndef SB_PACK_TABLES_H
#define SB_PACK_TABLES_H

#include "kernels/kernel.h"
#include "memory.h"
#include "signbin.h"

/* digits [K][C] into table/linear.h's bits; signs: 2 where digits are of radix 3, else 1. NULL
 * where there is no memory. */
uint8_t *sb_pack_tables(const sb_geometry *geometry, const int8_t *digits, int32_t signs,
                        sb_memory *memory);

#endif
