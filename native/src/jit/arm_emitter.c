#include "arm_emitter.h"

#include <string.h>

enum { SAVED_BYTES = 64 };

static uint32_t fields(uint32_t opcode, int at16, int at5, int at0) {
    return opcode | (uint32_t)at16 << 16 | (uint32_t)at5 << 5 | (uint32_t)at0;
}

uint32_t sb_arm_registers(sb_arm_operation operation, int target, int left, int right) {
    return fields((uint32_t)operation, right, left, target);
}

/* An access is log2 of its size and the upper 20 bits of the opcode. */
uint32_t sb_arm_memory(sb_arm_access access, int target, int base, int32_t displacement) {
    const uint32_t scaled = (uint32_t)displacement >> ((uint32_t)access >> 20);
    return fields((uint32_t)access << 12 | scaled << 10, 0, base, target);
}

uint32_t sb_arm_zero(int target) {
    return fields(0x6f00e400, 0, 0, target);
}

uint32_t sb_arm_add_pages(int target, int base, int32_t pages) {
    return fields(0x91400000 | (uint32_t)pages << 10, 0, base, target);
}

/* STP and LDP of two D registers: first, second, and a displacement in units of 8 bytes. */
static uint32_t pair_access(uint32_t opcode, int pair, int displacement) {
    const uint32_t imm7 = (uint32_t)(displacement / 8) & 0x7f;
    const int first = 8 + 2 * pair;
    return fields(opcode | imm7 << 15 | (uint32_t)(first + 1) << 10, 0, SB_ARM_SP, first);
}

uint32_t sb_arm_save_pair(int pair) {
    return pair ? pair_access(0x6d000000, pair, 16 * pair)  /* STP d, d, [sp, #i] */
                : pair_access(0x6d800000, 0, -SAVED_BYTES); /* STP d, d, [sp, #-64]! */
}

uint32_t sb_arm_restore_pair(int pair) {
    return pair ? pair_access(0x6d400000, pair, 16 * pair) /* LDP d, d, [sp, #i] */
                : pair_access(0x6cc00000, 0, SAVED_BYTES); /* LDP d, d, [sp], #64 */
}

uint32_t sb_arm_return(void) {
    return 0xd65f03c0;
}

void sb_arm_emit(sb_emitter *emitter, uint32_t word) {
    const uint8_t bytes[4] = {(uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16),
                              (uint8_t)(word >> 24)};
    const size_t end = emitter->size + sizeof bytes;
    if (emitter->machine_code && end <= emitter->capacity)
        memcpy(emitter->machine_code + emitter->size, bytes, sizeof bytes);
    emitter->size = end;
}

void sb_arm_align(sb_emitter *emitter, size_t alignment) {
    while (emitter->size % alignment)
        sb_arm_emit(emitter, 0xd4200000); /* BRK #0 */
}
