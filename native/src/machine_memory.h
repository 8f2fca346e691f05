/* Memory that machine code is written to and then run from, never both at once: the pages are
 * writable until they are sealed, executable and read-only afterwards. Systems that forbid this
 * (and all that are not x86-64 with mmap) are refused here, and nothing else needs to know them. */
#ifndef SB_MACHINE_MEMORY_H
#define SB_MACHINE_MEMORY_H

#include "signbin.h"

#include <stddef.h>
#include <stdint.h>

/* data NULL: none. */
typedef struct sb_machine_memory {
    uint8_t *data;
    size_t bytes; /* whole pages */
} sb_machine_memory;

/* Writable pages of more than `bytes` bytes; SB_UNSUPPORTED where the system has none to run code
 * from, SB_OUT_OF_MEMORY where it refuses. */
sb_status sb_machine_memory_take(size_t bytes, sb_machine_memory *memory);

/* From writable to executable; SB_UNSUPPORTED where the system forbids it. */
sb_status sb_machine_memory_seal(const sb_machine_memory *memory);

void sb_machine_memory_free(sb_machine_memory *memory);

#endif
