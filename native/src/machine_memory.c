#include "machine_memory.h"

#if (defined(__x86_64__) || defined(__aarch64__)) && (defined(__unix__) || defined(__APPLE__))

#include <sys/mman.h>
#include <unistd.h>

enum { HUGE_PAGE = 2 << 20 };

/* Huge pages, where there are any, spare a program whose code is larger than a megabyte most of its
 * misses of the instruction TLB. */
static void prefer_huge_pages(const sb_machine_memory *memory) {
#if defined(MADV_HUGEPAGE)
    if (memory->bytes >= HUGE_PAGE)
        (void)madvise(memory->data, memory->bytes, MADV_HUGEPAGE);
#else
    (void)memory;
#endif
}

sb_status sb_machine_memory_take(size_t bytes, sb_machine_memory *memory) {
    const long page = sysconf(_SC_PAGESIZE);
    const size_t unit = page > 0 ? (size_t)page : 4096;
    if (bytes > SIZE_MAX - unit)
        return SB_OUT_OF_MEMORY;
    const size_t rounded = (bytes / unit + 1) * unit;
    void *data = mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return SB_OUT_OF_MEMORY;
    *memory = (sb_machine_memory){data, rounded};
    prefer_huge_pages(memory);
    return SB_OK;
}

/* ARM fetches instructions from a cache of its own, which knows nothing of what was written. */
sb_status sb_machine_memory_seal(const sb_machine_memory *memory) {
#ifdef __aarch64__
    char *data = (char *)memory->data;
    __builtin___clear_cache(data, data + memory->bytes);
#endif
    if (mprotect(memory->data, memory->bytes, PROT_READ | PROT_EXEC))
        return SB_UNSUPPORTED;
    return SB_OK;
}

void sb_machine_memory_free(sb_machine_memory *memory) {
    if (memory->data)
        munmap(memory->data, memory->bytes);
    *memory = (sb_machine_memory){NULL, 0};
}

#else

sb_status sb_machine_memory_take(size_t bytes, sb_machine_memory *memory) {
    (void)bytes;
    (void)memory;
    return SB_UNSUPPORTED;
}

sb_status sb_machine_memory_seal(const sb_machine_memory *memory) {
    (void)memory;
    return SB_UNSUPPORTED;
}

void sb_machine_memory_free(sb_machine_memory *memory) {
    *memory = (sb_machine_memory){NULL, 0};
}

#endif

bool sb_cpu_generates(void) {
    sb_machine_memory memory = {NULL, 0};
    sb_status status = sb_machine_memory_take(1, &memory);
    if (status == SB_OK)
        status = sb_machine_memory_seal(&memory);
    sb_machine_memory_free(&memory);
    return status == SB_OK;
}
