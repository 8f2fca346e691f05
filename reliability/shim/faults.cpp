// Which call fails, and the doors by which Python says so.
#include "faults.h"

#include <cstring>

#include <link.h>
#include <signal.h>
#include <unistd.h>

namespace faults {

State state;
static uintptr_t module_begin, module_end;

bool due(Kind kind) {
    if (!state.armed)
        return false;
    const long count = ++state.counts[kind];
    const bool fails = kind == state.kind && state.at &&
                       (count == state.at || (state.lasting && count > state.at));
    if (fails) {
        ++state.injected;
        if (state.error < 0)
            kill(getpid(), -state.error);
        errno = state.error;
    }
    return fails;
}

bool ours(const void *caller) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(caller);
    return address >= module_begin && address < module_end;
}

} // namespace faults

using namespace faults;

extern "C" {

void fault_module(const char *fragment) {
    dl_iterate_phdr(
        [](dl_phdr_info *info, size_t, void *wanted) {
            if (!strstr(info->dlpi_name, static_cast<const char *>(wanted)))
                return 0;
            for (int i = 0; i < info->dlpi_phnum; ++i)
                if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
                    module_begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
                    module_end = module_begin + info->dlpi_phdr[i].p_memsz;
                }
            return 1;
        },
        const_cast<char *>(fragment));
}

void fault_arm(int kind, long at, int lasting, int error, int shortened) {
    for (auto &count : state.counts)
        count = 0;
    clear_memory();
    clear_told();
    state.injected = 0;
    state.kind = kind;
    state.at = at;
    state.lasting = lasting;
    state.error = error;
    state.shortened = shortened;
    state.armed = true;
}

// Nothing fails any more; what is alive is still counted.
void fault_rest(void) {
    state.at = 0;
}

void fault_disarm(void) {
    state.armed = false;
}

long fault_count(int kind) {
    return state.counts[kind];
}

long fault_injected(void) {
    return state.injected;
}

} // extern "C"
