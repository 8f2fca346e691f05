#include "emitter.h"

#include <string.h>

enum { VEX_REGISTERS = 16, SHORT_BYTES = 32, LONG_BYTES = 64, ALL_TRUE = 0xff };

/* Of vectors of 32 bytes alone: target = left == right, 32 bits at a time. */
static const sb_operation VPCMPEQD = (sb_operation)0x10176;
/* Any function of three bits, by its table: ALL_TRUE is 1 whatever they are. */
static const sb_operation VPTERNLOGD = (sb_operation)0x30125;
/* An extension of the opcode says which. */
static const sb_operation SHIFT = (sb_operation)0x10172;

/* One instruction; the longest here has 10 bytes. */
typedef struct sb_instruction {
    uint8_t bytes[16];
    size_t size;
} sb_instruction;

static void put(sb_instruction *instruction, unsigned byte) {
    instruction->bytes[instruction->size++] = (uint8_t)byte;
}

static void append(sb_emitter *emitter, const sb_instruction *instruction) {
    const size_t end = emitter->size + instruction->size;
    if (emitter->machine_code && end <= emitter->capacity)
        memcpy(emitter->machine_code + emitter->size, instruction->bytes, instruction->size);
    emitter->size = end;
}

/* The VEX prefix and the opcode. Two bytes suffice where the opcode is of map 0F and the operand
 * in ModRM.rm one of the first eight registers. R, B and vvvv are stored inverted; L = 1, W = 0. */
static void put_vex(sb_instruction *instruction, sb_operation operation, int target, int left,
                    int right) {
    const unsigned map = (unsigned)operation >> 16, prefix = (unsigned)operation >> 8 & 0xff;
    const unsigned r = target < 8 ? 0x80 : 0, b = right < 8 ? 0x20 : 0;
    const unsigned rest = (~(unsigned)left & 15) << 3 | 4 | prefix;
    if (map == 1 && b) {
        put(instruction, 0xc5);
        put(instruction, r | rest);
    } else {
        put(instruction, 0xc4);
        put(instruction, r | 0x40 | b | map);
        put(instruction, rest);
    }
    put(instruction, (unsigned)operation & 0xff);
}

/* The same in EVEX: every register has five bits. Of W, L'L and aaa (no mask) only the length is
 * set. */
static void put_evex(sb_instruction *instruction, bool long_vectors, sb_operation operation,
                     int target, int left, int right) {
    const unsigned map = (unsigned)operation >> 16, prefix = (unsigned)operation >> 8 & 0xff;
    const unsigned reg = ~(unsigned)target, vvvv = ~(unsigned)left, rm = ~(unsigned)right;
    put(instruction, 0x62);
    put(instruction, (reg & 8) << 4 | (rm & 16) << 2 | (rm & 8) << 2 | (reg & 16) | map);
    put(instruction, (vvvv & 15) << 3 | 4 | prefix);
    put(instruction, (long_vectors ? 0x40 : 0x20) | (vvvv & 16) >> 1);
    put(instruction, (unsigned)operation & 0xff);
}

/* Whether an instruction takes EVEX. */
static bool is_long(const sb_emitter *emitter, int registers) {
    return emitter->long_vectors || registers >= VEX_REGISTERS;
}

/* The prefix and the opcode in the encoding that serves vectors and registers. */
static void put_prefix(sb_instruction *instruction, const sb_emitter *emitter,
                       sb_operation operation, int target, int left, int right) {
    if (is_long(emitter, target | left | right))
        put_evex(instruction, emitter->long_vectors, operation, target, left, right);
    else
        put_vex(instruction, operation, target, left, right);
}

static void put_int32(sb_instruction *instruction, int32_t value) {
    for (int shift = 0; shift < 32; shift += 8)
        put(instruction, (uint32_t)value >> shift & 0xff);
}

/* [base + displacement] in the fewest bytes: none, 8 bits or 32. rbp and r13 always have one. */
static void put_address(sb_instruction *instruction, int target, int base, int32_t displacement) {
    const unsigned modrm = ((unsigned)target & 7) << 3 | ((unsigned)base & 7);
    if (displacement == 0 && (base & 7) != SB_RBP) {
        put(instruction, modrm);
    } else if (displacement >= INT8_MIN && displacement <= INT8_MAX) {
        put(instruction, 0x40 | modrm);
        put(instruction, (uint32_t)displacement & 0xff);
    } else {
        put(instruction, 0x80 | modrm);
        put_int32(instruction, displacement);
    }
}

/* The same behind EVEX, whose 8 bits count vectors. */
static void put_vectors(sb_instruction *instruction, int32_t vector_bytes, int target, int base,
                        int32_t displacement) {
    const unsigned modrm = ((unsigned)target & 7) << 3 | ((unsigned)base & 7);
    const int32_t vectors = displacement / vector_bytes;
    if (displacement == 0 && (base & 7) != SB_RBP) {
        put(instruction, modrm);
    } else if (displacement % vector_bytes == 0 && vectors >= INT8_MIN && vectors <= INT8_MAX) {
        put(instruction, 0x40 | modrm);
        put(instruction, (uint32_t)vectors & 0xff);
    } else {
        put(instruction, 0x80 | modrm);
        put_int32(instruction, displacement);
    }
}

void sb_emit_registers(sb_emitter *emitter, sb_operation operation, int target, int left,
                       int right) {
    sb_instruction instruction = {.size = 0};
    put_prefix(&instruction, emitter, operation, target, left, right);
    put(&instruction, 0xc0u | ((unsigned)target & 7) << 3 | ((unsigned)right & 7));
    append(emitter, &instruction);
}

void sb_emit_memory(sb_emitter *emitter, sb_operation operation, int target, int left,
                    sb_pointer base, int32_t displacement) {
    sb_instruction instruction = {.size = 0};
    put_prefix(&instruction, emitter, operation, target, left, (int)base);
    if (is_long(emitter, target | left))
        put_vectors(&instruction, emitter->long_vectors ? LONG_BYTES : SHORT_BYTES, target,
                    (int)base, displacement);
    else
        put_address(&instruction, target, (int)base, displacement);
    append(emitter, &instruction);
}

void sb_emit_ones(sb_emitter *emitter, int target) {
    if (!is_long(emitter, target)) {
        sb_emit_registers(emitter, VPCMPEQD, target, target, target);
        return;
    }
    sb_instruction instruction = {.size = 0};
    put_prefix(&instruction, emitter, VPTERNLOGD, target, target, target);
    put(&instruction, 0xc0u | ((unsigned)target & 7) << 3 | ((unsigned)target & 7));
    put(&instruction, ALL_TRUE);
    append(emitter, &instruction);
}

/* 66.0F 72 /extension ib: vvvv is the target, ModRM.reg extends the opcode. */
static void emit_shift(sb_emitter *emitter, int extension, int target, int source, int bits) {
    sb_instruction instruction = {.size = 0};
    put_prefix(&instruction, emitter, SHIFT, 0, target, source);
    put(&instruction, 0xc0u | (unsigned)extension << 3 | ((unsigned)source & 7));
    put(&instruction, (unsigned)bits);
    append(emitter, &instruction);
}

void sb_emit_shift_left(sb_emitter *emitter, int target, int source, int bits) {
    emit_shift(emitter, 6, target, source, bits);
}

void sb_emit_shift_right(sb_emitter *emitter, int target, int source, int bits) {
    emit_shift(emitter, 2, target, source, bits);
}

void sb_emit_load_pointer(sb_emitter *emitter, sb_pointer target, sb_pointer base,
                          int8_t displacement) {
    sb_instruction instruction = {.size = 0};
    put(&instruction, 0x48u | (target >= SB_R8 ? 4u : 0u) | (base >= SB_R8 ? 1u : 0u));
    put(&instruction, 0x8b);
    put_address(&instruction, (int)target, (int)base, displacement);
    append(emitter, &instruction);
}

void sb_emit_prefetch(sb_emitter *emitter, sb_pointer base, int32_t displacement) {
    sb_instruction instruction = {.size = 0};
    if (base >= SB_R8)
        put(&instruction, 0x41);
    put(&instruction, 0x0f);
    put(&instruction, 0x18);
    put_address(&instruction, 2, (int)base, displacement);
    append(emitter, &instruction);
}

void sb_emit_return(sb_emitter *emitter) {
    append(emitter, &(sb_instruction){.bytes = {0xc5, 0xf8, 0x77, 0xc3}, .size = 4});
}

void sb_emit_align(sb_emitter *emitter, size_t alignment) {
    while (emitter->size % alignment)
        append(emitter, &(sb_instruction){.bytes = {0xcc}, .size = 1});
}
