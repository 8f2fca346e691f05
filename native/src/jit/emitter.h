/* Machine code under construction: the few x86-64 instructions that walks are made of, on vectors
 * of 32 bytes in VEX encoding (AVX2 and FMA), and in EVEX (AVX-512) where one of the registers from
 * 16 on takes part, or vectors have 64 bytes. Bytes only: this compiles and is tested everywhere.
 *
 * An operation reads (target, left, right) as the assembler's manual does: target = left op right;
 * right is a register or memory. Encodings are Intel's (Software Developer's Manual, volume 2,
 * sections 2.3, 2.7 and 5); tests compare them with an assembler's. */
#ifndef SB_JIT_EMITTER_H
#define SB_JIT_EMITTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* machine_code NULL: nothing is written, size counts. What does not fit capacity is counted only,
 * too. long_vectors: 64 bytes a vector, in place of 32. */
typedef struct sb_emitter {
    uint8_t *machine_code;
    size_t size, capacity;
    bool long_vectors;
} sb_emitter;

/* opcode | prefix << 8 | opcode map << 16; prefix 1 stands for 66, map 1 for 0F, 2 for 0F38. */
typedef enum sb_operation {
    SB_VMOVUPS_LOAD = 0x10010,  /* target = right */
    SB_VMOVUPS_STORE = 0x10011, /* right = target */
    SB_VXORPS = 0x10057,        /* of a register with itself: zero */
    SB_VADDPS = 0x10058,        /* fp32 */
    SB_VSUBPS = 0x1005c,        /* fp32 */
    SB_VPSUBW = 0x101f9,        /* modulo 2^16 */
    SB_VPADDW = 0x101fd,        /* modulo 2^16 */
    SB_VFMADD231PS = 0x201b8,   /* target = left * right + target, rounded once */
    SB_VFMSUB231PS = 0x201ba,   /* target = left * right - target */
    SB_VFNMADD231PS = 0x201bc   /* target = target - left * right */
} sb_operation;

/* General registers by their number. All but rsp, r12 (which need another encoding) address. */
typedef enum sb_pointer {
    SB_RAX = 0,
    SB_RCX = 1,
    SB_RDX = 2,
    SB_RBX = 3,
    SB_RBP = 5,
    SB_RSI = 6,
    SB_RDI = 7,
    SB_R8 = 8,
    SB_R9 = 9
} sb_pointer;

/* left: 0 where the operation has none (loads and stores). Vector registers are 0 to 31. */
void sb_emit_registers(sb_emitter *emitter, sb_operation operation, int target, int left,
                       int right);
void sb_emit_memory(sb_emitter *emitter, sb_operation operation, int target, int left,
                    sb_pointer base, int32_t displacement);

/* All bits of a register set. */
void sb_emit_ones(sb_emitter *emitter, int target);

/* Every 32-bit lane of a register shifted by a constant, zeros moving in. */
void sb_emit_shift_left(sb_emitter *emitter, int target, int source, int bits);
void sb_emit_shift_right(sb_emitter *emitter, int target, int source, int bits);

/* target = the pointer at base + displacement. */
void sb_emit_load_pointer(sb_emitter *emitter, sb_pointer target, sb_pointer base,
                          int8_t displacement);

/* Asks for the cache line at base + displacement, into the second cache (prefetcht1). */
void sb_emit_prefetch(sb_emitter *emitter, sb_pointer base, int32_t displacement);

/* vzeroupper, so that code compiled for SSE runs at full speed, and ret. */
void sb_emit_return(sb_emitter *emitter);

/* Fills up to a multiple of `alignment` with int3: nothing runs into the next function. */
void sb_emit_align(sb_emitter *emitter, size_t alignment);

#endif
