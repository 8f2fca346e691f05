#define _GNU_SOURCE
#include "machine.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

_Static_assert(offsetof(check_frame, stack) == 32 && offsetof(check_frame, wide) == 40 &&
                   offsetof(check_frame, kept) == 56 && offsetof(check_frame, modes) == 232 &&
                   offsetof(check_frame, environment) == 256 && offsetof(check_frame, upper) == 288,
               "call_x86_64.S knows these places");

enum { KEPT = 6, EXCEPTION_FLAGS = 0x3f, DIRECTION = 1 << 10, TAGS = 8, LOW_BYTES = 16 };

bool check_has_wide_registers(void) {
    enum { OSXSAVE = 1 << 27, AVX = 1 << 28 };
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c & OSXSAVE && c & AVX;
}

static bool keeps_registers(const check_frame *frame, char *fault) {
    static const char *const names[KEPT] = {"rbx", "rbp", "r12", "r13", "r14", "r15"};
    for (uint64_t i = 0; i < KEPT; ++i)
        if (frame->kept[i] != UINT64_C(0xc0de000000000000) + i) {
            snprintf(fault, CHECK_FAULT_BYTES, "%s is not kept: it holds %#llx", names[i],
                     (unsigned long long)frame->kept[i]);
            return false;
        }
    if (frame->kept[KEPT] == (uintptr_t)frame->stack)
        return true;
    snprintf(fault, CHECK_FAULT_BYTES, "rsp is not kept: it is off by %lld",
             (long long)(frame->kept[KEPT] - (uintptr_t)frame->stack));
    return false;
}

/* Upper halves that are not zero slow down whatever runs next without AVX. */
static bool clears_upper_halves(const check_frame *frame, char *fault) {
    for (int i = 0; frame->wide && i < 16; ++i)
        for (int byte = LOW_BYTES; byte < 32; ++byte)
            if (frame->upper[i][byte]) {
                snprintf(fault, CHECK_FAULT_BYTES, "the upper half of ymm%d is left in use", i);
                return false;
            }
    return true;
}

void check_judge(const check_frame *frame, char fault[CHECK_FAULT_BYTES]) {
    const uint64_t before = frame->modes_before[0], after = frame->modes[0];
    uint16_t tags;
    memcpy(&tags, frame->environment + TAGS, sizeof tags);
    if (!keeps_registers(frame, fault) || !clears_upper_halves(frame, fault))
        return;
    if ((uint32_t)(before ^ after) & ~(uint32_t)EXCEPTION_FLAGS)
        snprintf(fault, CHECK_FAULT_BYTES, "mxcsr is %#llx, before it was %#llx",
                 (unsigned long long)after, (unsigned long long)before);
    else if (frame->flags & DIRECTION)
        snprintf(fault, CHECK_FAULT_BYTES, "the direction flag is set");
    else if (tags != 0xffff)
        snprintf(fault, CHECK_FAULT_BYTES, "x87 registers are left in use");
    else if ((uint16_t)frame->modes[1] != (uint16_t)frame->modes_before[1])
        snprintf(fault, CHECK_FAULT_BYTES, "the x87 control word is not kept");
}

void check_reset_modes(const check_frame *frame) {
    const uint32_t modes = (uint32_t)frame->modes_before[0];
    const uint16_t word = (uint16_t)frame->modes_before[1];
    __asm__ volatile("cld\n\tldmxcsr %0\n\tfninit\n\tfldcw %1" : : "m"(modes), "m"(word));
    if (frame->wide)
        __asm__ volatile("vzeroupper" ::: "memory");
}

int check_fault_writes(const void *context) {
    const ucontext_t *machine = context;
    return (int)(machine->uc_mcontext.gregs[REG_ERR] >> 1 & 1);
}

uint64_t check_ticks(void) {
    unsigned low, high, cpu;
    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(cpu)::"memory");
    return (uint64_t)high << 32 | low;
}

const char *check_tick_unit(void) {
    return "cycles of the time stamp counter";
}
#endif
