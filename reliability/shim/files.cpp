// Files: what fails, and what was done in which order.
#include "faults.h"

#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace faults;

namespace {

char folder[PATH_MAX];
size_t folder_length;

// Files in the folder, by descriptor, and what was done to them, a line each.
constexpr int DESCRIPTORS = 4096;
char paths[DESCRIPTORS][PATH_MAX];
char told[size_t{1} << 20];
size_t told_length;
Spin telling;

void tell(const char *verb, const char *path, const char *more) {
    if (!state.armed)
        return;
    telling.lock();
    const size_t room = sizeof told - told_length;
    const int length = snprintf(told + told_length, room, "%s\t%s\t%s\n", verb, path, more);
    if (length > 0 && static_cast<size_t>(length) < room)
        told_length += static_cast<size_t>(length);
    telling.unlock();
}

bool inside(const char *path) {
    return folder_length && path && !strncmp(path, folder, folder_length) &&
           (path[folder_length] == '/' || !path[folder_length]);
}

int opened(int place, const char *path, int flags, mode_t mode) {
    const bool watched = inside(path);
    if (watched && due(OPEN))
        return -1;
    const long descriptor = syscall(SYS_openat, place, path, flags, mode);
    if (descriptor >= 0 && descriptor < DESCRIPTORS) {
        *paths[descriptor] = 0;
        if (watched) {
            snprintf(paths[descriptor], PATH_MAX, "%s", path);
            tell(flags & O_DIRECTORY ? "open folder"
                 : flags & O_CREAT   ? "create"
                                     : "open",
                 path, "");
        }
    }
    return static_cast<int>(descriptor);
}

// How much of a write or read is done where it is to be cut short.
size_t cut(size_t size) {
    return size > 1 ? size / 2 : size;
}

} // namespace

bool faults::known(int descriptor) {
    return descriptor >= 0 && descriptor < DESCRIPTORS && *paths[descriptor];
}

void faults::clear_told() {
    told_length = 0;
}

extern "C" {

void fault_folder(const char *path) {
    snprintf(folder, sizeof folder, "%s", path);
    folder_length = strlen(folder);
}

const char *fault_told(void) {
    told[told_length] = 0;
    return told;
}

static mode_t mode_of(int flags, va_list arguments) {
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return opened(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return opened(AT_FDCWD, path, flags, mode);
}

int openat(int place, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return opened(place, path, flags, mode);
}

int openat64(int place, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return opened(place, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode) {
    if ((ours(__builtin_return_address(0)) || inside(path)) && due(OPEN))
        return nullptr;
    static const auto original = next<decltype(&fopen)>("fopen");
    return original(path, mode);
}

ssize_t read(int descriptor, void *buffer, size_t size) {
    if (known(descriptor) && due(READ)) {
        if (!state.shortened)
            return -1;
        size = cut(size);
    }
    return syscall(SYS_read, descriptor, buffer, size);
}

ssize_t pread64(int descriptor, void *buffer, size_t size, off64_t offset) {
    if (known(descriptor) && due(READ))
        return -1;
    return syscall(SYS_pread64, descriptor, buffer, size, offset);
}

ssize_t write(int descriptor, const void *buffer, size_t size) {
    if (known(descriptor)) {
        if (due(WRITE)) {
            if (!state.shortened)
                return -1;
            size = cut(size);
        }
        tell("write", paths[descriptor], "");
    }
    return syscall(SYS_write, descriptor, buffer, size);
}

int fsync(int descriptor) {
    if (known(descriptor)) {
        if (due(SYNC))
            return -1;
        tell("sync", paths[descriptor], "");
    }
    return static_cast<int>(syscall(SYS_fsync, descriptor));
}

int close(int descriptor) {
    bool fails = false;
    if (known(descriptor)) {
        fails = due(CLOSE);
        *paths[descriptor] = 0;
    }
    const int error = errno;
    const int status = static_cast<int>(syscall(SYS_close, descriptor));
    if (!fails)
        return status;
    errno = error;
    return -1;
}

int rename(const char *from, const char *to) {
    if (inside(from) || inside(to)) {
        if (due(RENAME))
            return -1;
        tell("rename", from, to);
    }
    return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int unlink(const char *path) {
    if (inside(path)) {
        if (due(REMOVE))
            return -1;
        tell("remove", path, "");
    }
    return static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int mkdir(const char *path, mode_t mode) {
    if (inside(path)) {
        if (due(FOLDER))
            return -1;
        tell("make folder", path, "");
    }
    return static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

int flock(int descriptor, int operation) {
    if (known(descriptor) && due(LOCK))
        return -1;
    return static_cast<int>(syscall(SYS_flock, descriptor, operation));
}

} // extern "C"
