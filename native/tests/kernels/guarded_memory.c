#include "guarded_memory.h"

#include "checked.h"

#include <stdlib.h>
#include <string.h>

struct sb_block {
    check_guarded guarded;
    sb_block *next;
};

static check_side arrays_lie;

void check_place_arrays(check_side side) {
    arrays_lie = side;
}

/* At the end an array lies as its size allows: one of whole vectors on a vector, one of bytes
 * anywhere. What a kernel loads by vectors is made of whole ones. */
void *sb_memory_take(sb_memory *memory, size_t count, size_t size) {
    if (!sb_checked_multiply(&size, count) || size > SIZE_MAX / 4)
        return NULL;
    sb_block *block = calloc(1, sizeof *block);
    if (!block)
        return NULL;
    check_guard(&block->guarded, "an array of the layer", size, arrays_lie);
    block->next = memory->first;
    memory->first = block;
    return block->guarded.data;
}

void sb_memory_free(sb_memory *memory) {
    while (memory->first) {
        sb_block *block = memory->first;
        memory->first = block->next;
        check_unguard(&block->guarded);
        free(block);
    }
}

void check_allow_array_writes(const sb_memory *memory, bool allowed) {
    for (sb_block *block = memory->first; block; block = block->next)
        check_allow_writes(&block->guarded, allowed);
}

/* Arenas: kernels run on guarded copies of what lies in them. What nothing has written is no
 * number. */
sb_arena_pool *sb_arena_pool_create(void) {
    return malloc(1);
}

void sb_arena_pool_free(sb_arena_pool *pool) {
    free(pool);
}

sb_arena *sb_arena_borrow(sb_arena_pool *pool, size_t bytes) {
    (void)pool;
    sb_arena *arena = malloc(sizeof *arena);
    if (!arena)
        return NULL;
    arena->capacity = bytes;
    arena->data = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!arena->data) {
        free(arena);
        return NULL;
    }
    memset(arena->data, 0xff, bytes);
    return arena;
}

void sb_arena_give_back(sb_arena_pool *pool, sb_arena *arena) {
    (void)pool;
    free(arena->data);
    free(arena);
}
