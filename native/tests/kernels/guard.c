#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Everything that is guarded, for faults to be named. */
static check_guarded *all;

static size_t page_size(void) {
    static size_t size;
    if (!size)
        size = (size_t)sysconf(_SC_PAGESIZE);
    return size;
}

/* Of each side: who misses by far must not land in other memory. */
enum { GUARD_PAGES = 4 };

static void fail(const char *what) {
    fprintf(stderr, "check_kernels: %s\n", what);
    exit(2);
}

static void map_room(check_guarded *guarded, size_t bytes) {
    const size_t page = page_size(), room = (bytes / page + 1) * page;
    guarded->mapped = room + 2 * GUARD_PAGES * page;
    guarded->pages =
        mmap(NULL, guarded->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (guarded->pages == MAP_FAILED)
        fail("no memory to guard");
    guarded->first = guarded->pages + GUARD_PAGES * page;
    guarded->room = room;
    if (mprotect(guarded->first, room, PROT_READ | PROT_WRITE))
        fail("pages cannot be opened");
    guarded->next = all;
    guarded->before = NULL;
    if (all)
        all->before = guarded;
    all = guarded;
}

void check_guard(check_guarded *guarded, const char *name, size_t bytes, check_side side) {
    if (guarded->pages && guarded->room < bytes)
        check_unguard(guarded);
    if (!guarded->pages)
        map_room(guarded, bytes);
    check_allow_writes(guarded, true);
    guarded->name = name;
    guarded->bytes = bytes;
    guarded->data = side == CHECK_AT_END ? guarded->first + guarded->room - bytes : guarded->first;
}

void check_unguard(check_guarded *guarded) {
    if (!guarded->pages)
        return;
    munmap(guarded->pages, guarded->mapped);
    if (guarded->before)
        guarded->before->next = guarded->next;
    else
        all = guarded->next;
    if (guarded->next)
        guarded->next->before = guarded->before;
    *guarded = (check_guarded){0};
}

void check_allow_writes(check_guarded *guarded, bool allowed) {
    if (!guarded->pages)
        return;
    if (mprotect(guarded->first, guarded->room, allowed ? PROT_READ | PROT_WRITE : PROT_READ))
        fail("pages cannot be protected");
}

void check_fill(check_guarded *guarded, int byte) {
    memset(guarded->first, byte, guarded->room);
}

/* By comparing them with themselves, a byte on: what compares is many times faster than a loop. */
static bool all_are(const char *at, const char *end, int byte) {
    return at == end || (*at == (char)byte && !memcmp(at, at + 1, (size_t)(end - at) - 1));
}

bool check_untouched(const check_guarded *guarded, int byte) {
    return all_are(guarded->first, guarded->data, byte) &&
           all_are(guarded->data + guarded->bytes, guarded->first + guarded->room, byte);
}

void check_rename(const void *address, const char *name) {
    for (check_guarded *guarded = all; guarded; guarded = guarded->next)
        if ((const char *)address == guarded->data)
            guarded->name = name;
}

const check_guarded *check_guarded_at(const void *address) {
    const uintptr_t place = (uintptr_t)address;
    for (const check_guarded *guarded = all; guarded; guarded = guarded->next)
        if (place - (uintptr_t)guarded->pages < guarded->mapped)
            return guarded;
    return NULL;
}
