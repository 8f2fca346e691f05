// Preloaded into a process of Python: the n-th call of a kind fails, and what is alive is counted.
//
// Memory counts where the code that asked for it lies in the module that was named; files where
// they lie in the folder that was named; threads whoever asks. Calls go on to the C library by
// names of its own or by system call, so that nothing here is asked for while it is being found.
#ifndef RELIABILITY_FAULTS_H
#define RELIABILITY_FAULTS_H

#include <atomic>
#include <cerrno>
#include <cstdint>

#include <dlfcn.h>

namespace faults {

// As reliability/fault_library.py numbers them.
enum Kind {
    ALLOCATION,
    MAPPING,
    PROTECTION,
    THREAD,
    OPEN,
    READ,
    WRITE,
    SYNC,
    RENAME,
    CLOSE,
    REMOVE,
    LOCK,
    FOLDER,
    KINDS
};

struct Spin {
    std::atomic_flag held = ATOMIC_FLAG_INIT;
    void lock() {
        while (held.test_and_set(std::memory_order_acquire))
            ;
    }
    void unlock() {
        held.clear(std::memory_order_release);
    }
};

// Which call fails: the `at`-th since fault_arm(), 0 none; those after it as well where `lasting`.
// shortened: reads and writes are cut short instead.
struct State {
    std::atomic<bool> armed, lasting, shortened;
    std::atomic<int> kind, error;
    std::atomic<long> at, injected;
    std::atomic<long> counts[KINDS];
};
extern State state;

// Counts a call, and whether it fails; errno says why.
bool due(Kind kind);

// Whether code lies in the module that was named.
bool ours(const void *caller);

// Whether a descriptor is of a file in the folder.
bool known(int descriptor);

// Forgets what was alive, what was told.
void clear_memory();
void clear_told();

template <typename Function> Function next(const char *name) {
    return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

} // namespace faults

#endif
