/* This file takes the place of the library's cpu.c, which it contains under another name. */
#define sb_cpu_runs check_real_cpu_runs
#include "cpu.c"
#undef sb_cpu_runs

#include "masks.h"

static sb_isa masked = SB_ISA_COUNT;

/* Asked once: the question leaves a virtual machine, and is put for every row again and again. */
static bool there(sb_isa isa) {
    static enum { UNKNOWN, ABSENT, PRESENT } known[SB_ISA_COUNT];
    if (known[isa] == UNKNOWN)
        known[isa] = check_real_cpu_runs(isa) ? PRESENT : ABSENT;
    return known[isa] == PRESENT;
}

void check_mask(sb_isa first) {
    masked = first;
}

bool sb_cpu_runs(sb_isa isa);

bool sb_cpu_runs(sb_isa isa) {
    return (unsigned)isa < SB_ISA_COUNT && isa < masked && there(isa);
}
