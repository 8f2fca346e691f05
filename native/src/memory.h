/* Memory that lives as long as a builder or program, and the arenas of running calls. */
#ifndef SB_MEMORY_H
#define SB_MEMORY_H

#include <stddef.h>

typedef struct sb_block sb_block;

typedef struct sb_memory {
    sb_block *first;
} sb_memory;

/* count * size zeroed bytes, 64-byte aligned, freed with the owner; NULL where that does not fit
 * or there is no memory. count or size 0 gives an address that must not be read. */
void *sb_memory_take(sb_memory *memory, size_t count, size_t size);
void sb_memory_free(sb_memory *memory);

/* Idle arenas of a program, so that a call seldom waits for the page faults of fresh memory. */
typedef struct sb_arena_pool sb_arena_pool;

typedef struct sb_arena {
    size_t capacity;
    float *data; /* 64-byte aligned */
} sb_arena;

sb_arena_pool *sb_arena_pool_create(void);
void sb_arena_pool_free(sb_arena_pool *pool);

/* An arena of at least `bytes` for one call, or NULL; give it back with sb_arena_give_back. */
sb_arena *sb_arena_borrow(sb_arena_pool *pool, size_t bytes);
void sb_arena_give_back(sb_arena_pool *pool, sb_arena *arena);

#endif
