#include "memory.h"

#include "checked.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

struct sb_block {
    sb_block *next;
};

/* A header of one alignment unit, then bytes rounded up to the alignment. */
static void *allocate(size_t bytes) {
    if (!sb_checked_add(&bytes, 2 * ALIGNMENT - 1))
        return NULL;
    return aligned_alloc(ALIGNMENT, bytes / ALIGNMENT * ALIGNMENT);
}

void *sb_memory_take(sb_memory *memory, size_t count, size_t size) {
    if (!sb_checked_multiply(&size, count))
        return NULL;
    sb_block *block = allocate(size);
    if (!block)
        return NULL;
    block->next = memory->first;
    memory->first = block;
    void *data = (char *)block + ALIGNMENT;
    memset(data, 0, size);
    return data;
}

void sb_memory_free(sb_memory *memory) {
    while (memory->first) {
        sb_block *block = memory->first;
        memory->first = block->next;
        free(block);
    }
}

/* Larger arenas go back to the system after their call, so that one huge batch is not kept. */
static const size_t LARGEST_KEPT = (size_t)256 << 20;

enum { SLOTS = 8 };

struct sb_arena_pool {
    _Atomic(sb_arena *) slots[SLOTS];
};

sb_arena_pool *sb_arena_pool_create(void) {
    sb_arena_pool *pool = malloc(sizeof *pool);
    for (int i = 0; pool && i < SLOTS; ++i)
        atomic_init(&pool->slots[i], NULL);
    return pool;
}

void sb_arena_pool_free(sb_arena_pool *pool) {
    for (int i = 0; pool && i < SLOTS; ++i)
        free(atomic_load(&pool->slots[i]));
    free(pool);
}

sb_arena *sb_arena_borrow(sb_arena_pool *pool, size_t bytes) {
    for (int i = 0; i < SLOTS; ++i) {
        sb_arena *arena = atomic_exchange(&pool->slots[i], NULL);
        if (arena && arena->capacity >= bytes)
            return arena;
        free(arena);
    }
    sb_arena *arena = allocate(bytes);
    if (arena) {
        arena->capacity = bytes;
        arena->data = (float *)(void *)((char *)arena + ALIGNMENT);
    }
    return arena;
}

void sb_arena_give_back(sb_arena_pool *pool, sb_arena *arena) {
    for (int i = 0; arena->capacity <= LARGEST_KEPT && i < SLOTS; ++i) {
        sb_arena *empty = NULL;
        if (atomic_compare_exchange_strong(&pool->slots[i], &empty, arena))
            return;
    }
    free(arena);
}
