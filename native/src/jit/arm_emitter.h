/* Machine code under construction: the few instructions of 64-bit ARM that walks are made of. Words
 * only: this compiles and is tested everywhere.
 *
 * Encodings are Arm's (Architecture Reference Manual for A-profile, section C); tests compare them
 * with an assembler's. Registers are v0 to v31 and x0 to x30; sb_arm_sp stands for the stack. */
#ifndef SB_JIT_ARM_EMITTER_H
#define SB_JIT_ARM_EMITTER_H

#include "emitter.h"

enum { SB_ARM_SP = 31 };

/* target = left op right, of eight 16-bit lanes. */
typedef enum sb_arm_operation {
    SB_ARM_ADD = 0x4e608400,   /* modulo 2^16 */
    SB_ARM_SUB = 0x6e608400,   /* modulo 2^16 */
    SB_ARM_UADDW = 0x2e201000, /* right: the first eight bytes of the register, widened */
    SB_ARM_USUBW = 0x2e203000
} sb_arm_operation;

/* A register and what lies at base + displacement, which is a multiple of the size and at most 4095
 * times as large. */
typedef enum sb_arm_access {
    SB_ARM_LOAD_D = 0x3fd400,  /* 8 bytes */
    SB_ARM_LOAD_Q = 0x43dc00,  /* 16 */
    SB_ARM_STORE_Q = 0x43d800, /* 16 */
    SB_ARM_LOAD_X = 0x3f9400   /* 8, a general register */
} sb_arm_access;

uint32_t sb_arm_registers(sb_arm_operation operation, int target, int left, int right);
uint32_t sb_arm_memory(sb_arm_access access, int target, int base, int32_t displacement);

/* All lanes zero. */
uint32_t sb_arm_zero(int target);

/* target = base + 4096 * pages, pages at most 4095; general registers. */
uint32_t sb_arm_add_pages(int target, int base, int32_t pages);

/* The low halves of v8 to v15, which belong to the caller, onto the stack and back: pair 0 (v8, v9)
 * first and last, since it makes the room. */
uint32_t sb_arm_save_pair(int pair);
uint32_t sb_arm_restore_pair(int pair);

uint32_t sb_arm_return(void);

/* Appends an instruction. */
void sb_arm_emit(sb_emitter *emitter, uint32_t word);

/* Fills up to a multiple of `alignment` with breakpoints: nothing runs into the next function. */
void sb_arm_align(sb_emitter *emitter, size_t alignment);

#endif
