/* What is the processor's own: the trampoline of a checked call, what it finds, a clock. */
#ifndef CHECK_MACHINE_H
#define CHECK_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHECK_ARGUMENTS = 3, CHECK_FAULT_BYTES = 240, CHECK_KEPT_REGISTERS = 20 };

/* What the trampoline reads and writes; call_x86_64.S and call_aarch64.S know where each lies.
 * function, arguments, stack: what is called, on which stack. wide: x86-64 with AVX. saved_stack:
 * the caller's. kept: the registers that must come back, as they came back; on x86-64 rbx, rbp, r12
 * to r15, rsp; on ARM x19 to x29, sp, d8 to d15. modes: control and flags before and after. upper:
 * x86-64: ymm0 to ymm15 afterwards. */
typedef struct check_frame {
    void (*function)(void);
    const void *arguments[CHECK_ARGUMENTS];
    char *stack;
    uint64_t wide, saved_stack;
    uint64_t kept[CHECK_KEPT_REGISTERS];
    uint64_t modes_before[2], modes[2], flags;
    uint8_t environment[32];
    uint8_t upper[16][32];
} check_frame;

void check_trampoline(check_frame *frame);

/* Puts the processor's modes back after a function was left by a jump. */
void check_reset_modes(const check_frame *frame);

/* What the machine promises and the function broke, in words; "" where nothing. */
void check_judge(const check_frame *frame, char fault[CHECK_FAULT_BYTES]);

bool check_has_wide_registers(void);

/* Whether a fault was a write, as far as the machine says: 1, 0, or -1. */
int check_fault_writes(const void *context);

/* The clock of --bench, and what its ticks are. */
uint64_t check_ticks(void);
const char *check_tick_unit(void);

#endif
