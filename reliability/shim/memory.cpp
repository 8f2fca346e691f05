// Memory and threads.
#include "faults.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);
}

using namespace faults;

namespace {

// What the module took since arm() and nobody has given back: an open hash of pointers.
constexpr size_t SLOTS = size_t{1} << 15; // many times what a program takes
constexpr uintptr_t GONE = 1;
struct Live {
    Spin spin;
    uintptr_t keys[SLOTS];
    std::atomic<long> count;

    static size_t start(uintptr_t key) {
        return (key >> 4) * 0x9E3779B97F4A7C15u >> 49;
    }
    void add(void *pointer) {
        if (!pointer || !state.armed)
            return;
        spin.lock();
        size_t at = start(reinterpret_cast<uintptr_t>(pointer));
        while (keys[at] > GONE)
            at = (at + 1) % SLOTS;
        keys[at] = reinterpret_cast<uintptr_t>(pointer);
        ++count;
        spin.unlock();
    }
    void remove(void *pointer) {
        const uintptr_t key = reinterpret_cast<uintptr_t>(pointer);
        if (!count || !key)
            return;
        spin.lock();
        size_t at = start(key);
        for (size_t seen = 0; keys[at] && seen < SLOTS; at = (at + 1) % SLOTS, ++seen)
            if (keys[at] == key) {
                keys[at] = GONE;
                --count;
                break;
            }
        spin.unlock();
    }
    void clear() {
        spin.lock();
        memset(keys, 0, sizeof keys);
        count = 0;
        spin.unlock();
    }
};
Live memory, mappings;

void *held(void *pointer) {
    memory.add(pointer);
    return pointer;
}

} // namespace

void faults::clear_memory() {
    memory.clear();
    mappings.clear();
}

extern "C" {

long fault_alive(void) {
    return memory.count;
}

long fault_mapped(void) {
    return mappings.count;
}

void *malloc(size_t size) {
    if (!ours(__builtin_return_address(0)))
        return __libc_malloc(size);
    return due(ALLOCATION) ? nullptr : held(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
    if (!ours(__builtin_return_address(0)))
        return __libc_calloc(count, size);
    return due(ALLOCATION) ? nullptr : held(__libc_calloc(count, size));
}

void *realloc(void *pointer, size_t size) {
    if (!ours(__builtin_return_address(0)))
        return __libc_realloc(pointer, size);
    if (due(ALLOCATION))
        return nullptr;
    memory.remove(pointer);
    return held(__libc_realloc(pointer, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    if (!ours(__builtin_return_address(0)))
        return __libc_memalign(alignment, size);
    return due(ALLOCATION) ? nullptr : held(__libc_memalign(alignment, size));
}

void *memalign(size_t alignment, size_t size) {
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    const bool counted = ours(__builtin_return_address(0));
    if (counted && due(ALLOCATION))
        return ENOMEM;
    void *made = __libc_memalign(alignment, size);
    if (!made)
        return ENOMEM;
    *result = counted ? held(made) : made;
    return 0;
}

void free(void *pointer) {
    memory.remove(pointer);
    __libc_free(pointer);
}

void *mmap(void *wanted, size_t length, int protection, int flags, int descriptor, off_t offset) {
    const bool counted = ours(__builtin_return_address(0));
    if ((counted || known(descriptor)) && due(MAPPING))
        return MAP_FAILED;
    const long made = syscall(SYS_mmap, wanted, length, protection, flags, descriptor, offset);
    void *pointer = reinterpret_cast<void *>(made);
    if (counted && pointer != MAP_FAILED)
        mappings.add(pointer);
    return pointer;
}

int munmap(void *pointer, size_t length) {
    mappings.remove(pointer);
    return static_cast<int>(syscall(SYS_munmap, pointer, length));
}

int mprotect(void *pointer, size_t length, int protection) {
    if (ours(__builtin_return_address(0)) && due(PROTECTION))
        return -1;
    return static_cast<int>(syscall(SYS_mprotect, pointer, length, protection));
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument) {
    if (due(THREAD))
        return state.error;
    static const auto create = next<decltype(&pthread_create)>("pthread_create");
    return create(thread, attributes, run, argument);
}

} // extern "C"

void *operator new(size_t size) {
    const bool counted = ours(__builtin_return_address(0));
    void *made = counted && due(ALLOCATION) ? nullptr : __libc_malloc(size ? size : 1);
    if (!made)
        throw std::bad_alloc();
    return counted ? held(made) : made;
}

void *operator new(size_t size, std::align_val_t alignment) {
    const bool counted = ours(__builtin_return_address(0));
    void *made = counted && due(ALLOCATION)
                     ? nullptr
                     : __libc_memalign(static_cast<size_t>(alignment), size ? size : 1);
    if (!made)
        throw std::bad_alloc();
    return counted ? held(made) : made;
}

void *operator new[](size_t size, const std::nothrow_t &) noexcept {
    const bool counted = ours(__builtin_return_address(0));
    if (counted && due(ALLOCATION))
        return nullptr;
    void *made = __libc_malloc(size ? size : 1);
    return counted ? held(made) : made;
}

void operator delete(void *pointer) noexcept {
    free(pointer);
}

void operator delete[](void *pointer) noexcept {
    free(pointer);
}

void operator delete(void *pointer, size_t) noexcept {
    free(pointer);
}

void operator delete(void *pointer, std::align_val_t) noexcept {
    free(pointer);
}

void operator delete(void *pointer, size_t, std::align_val_t) noexcept {
    free(pointer);
}

void operator delete[](void *pointer, size_t) noexcept {
    free(pointer);
}
