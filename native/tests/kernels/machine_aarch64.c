#define _GNU_SOURCE
#include "machine.h"

#if defined(__aarch64__)
#include <stdio.h>
#include <time.h>

_Static_assert(offsetof(check_frame, stack) == 32 && offsetof(check_frame, saved_stack) == 48 &&
                   offsetof(check_frame, kept) == 56 &&
                   offsetof(check_frame, modes_before) == 216 &&
                   offsetof(check_frame, modes) == 232,
               "call_aarch64.S knows these places");

/* x19 to x29, sp, d8 to d15, as they lie in check_frame. */
enum { GENERAL = 11, FIRST_GENERAL = 19, VECTORS = 8, FIRST_VECTOR = 8 };

bool check_has_wide_registers(void) {
    return false;
}

static void not_kept(const char *kind, int number, uint64_t value, char *fault) {
    snprintf(fault, CHECK_FAULT_BYTES, "%s%d is not kept: it holds %#llx", kind, number,
             (unsigned long long)value);
}

void check_judge(const check_frame *frame, char fault[CHECK_FAULT_BYTES]) {
    const uint64_t pattern = UINT64_C(0xc0de) << 48, *kept = frame->kept;
    for (int i = 0; i < GENERAL; ++i)
        if (kept[i] != pattern + (uint64_t)i) {
            not_kept("x", FIRST_GENERAL + i, kept[i], fault);
            return;
        }
    if (kept[GENERAL] != (uintptr_t)frame->stack) {
        snprintf(fault, CHECK_FAULT_BYTES, "sp is not kept: it is off by %lld",
                 (long long)(kept[GENERAL] - (uintptr_t)frame->stack));
        return;
    }
    for (int i = 0; i < VECTORS; ++i)
        if (kept[GENERAL + 1 + i] != pattern + (uint64_t)(GENERAL + 1 + i)) {
            not_kept("d", FIRST_VECTOR + i, kept[GENERAL + 1 + i], fault);
            return;
        }
    if (frame->modes[0] != frame->modes_before[0])
        snprintf(fault, CHECK_FAULT_BYTES, "fpcr is %#llx, before it was %#llx",
                 (unsigned long long)frame->modes[0], (unsigned long long)frame->modes_before[0]);
}

void check_reset_modes(const check_frame *frame) {
    __asm__ volatile("msr fpcr, %0" : : "r"(frame->modes_before[0]));
}

/* The machine says it in a record of the signal's frame that QEMU does not always fill in. */
int check_fault_writes(const void *context) {
    (void)context;
    return -1;
}

uint64_t check_ticks(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

const char *check_tick_unit(void) {
    return "nanoseconds";
}
#endif
