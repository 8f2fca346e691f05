/* Every instruction the emitter writes, with operands that reach every form of every field: a line
 * of its bytes in hexadecimal, a tab, and its text for an assembler (Intel syntax). */
#include "jit/emitter.h"

#include <stdio.h>

static const char *const POINTERS[] = {"rax", "rcx", "rdx", "rbx", "",
                                       "rbp", "rsi", "rdi", "r8",  "r9"};
static const sb_pointer BASES[] = {SB_RAX, SB_RCX, SB_RDX, SB_RBX, SB_RBP,
                                   SB_RSI, SB_RDI, SB_R8,  SB_R9};
static const int REGISTERS[] = {0, 1, 7, 8, 15};
static const int ALL_REGISTERS[] = {0, 7, 8, 15, 16, 23, 24, 31};
static const int32_t DISPLACEMENTS[] = {0,     1,      32,      127,       -128,
                                        128,   -129,   4064,    4096,      -4096,
                                        -4128, -40000, 2097120, INT32_MAX, INT32_MIN};

typedef struct operation {
    sb_operation opcode;
    const char *name;
} operation;

static const operation ARITHMETIC[] = {
    {SB_VXORPS, "vxorps"},           {SB_VADDPS, "vaddps"},
    {SB_VSUBPS, "vsubps"},           {SB_VPSUBW, "vpsubw"},
    {SB_VPADDW, "vpaddw"},           {SB_VFMADD231PS, "vfmadd231ps"},
    {SB_VFMSUB231PS, "vfmsub231ps"}, {SB_VFNMADD231PS, "vfnmadd231ps"}};

enum {
    BASE_COUNT = sizeof BASES / sizeof *BASES,
    REGISTER_COUNT = sizeof REGISTERS / sizeof *REGISTERS,
    ALL_REGISTER_COUNT = sizeof ALL_REGISTERS / sizeof *ALL_REGISTERS,
    DISPLACEMENT_COUNT = sizeof DISPLACEMENTS / sizeof *DISPLACEMENTS,
    ARITHMETIC_COUNT = sizeof ARITHMETIC / sizeof *ARITHMETIC
};

static uint8_t machine_code[64];
static sb_emitter emitter = {.machine_code = machine_code, .capacity = sizeof machine_code};

/* Registers of the vectors at hand. */
static char vector(void) {
    return emitter.long_vectors ? 'z' : 'y';
}

/* The bytes since the last call; what they should mean follows on the line. */
static void print_bytes(void) {
    for (size_t i = 0; i < emitter.size; ++i)
        printf("%02x", machine_code[i]);
    printf("\t");
    emitter.size = 0;
}

static void print_registers(const operation *operation, int target, int left, int right) {
    const char v = vector();
    printf("%s %cmm%d, %cmm%d, %cmm%d\n", operation->name, v, target, v, left, v, right);
}

static void list_registers(const operation *operation) {
    for (int t = 0; t < REGISTER_COUNT; ++t)
        for (int l = 0; l < REGISTER_COUNT; ++l)
            for (int r = 0; r < REGISTER_COUNT; ++r) {
                sb_emit_registers(&emitter, operation->opcode, REGISTERS[t], REGISTERS[l],
                                  REGISTERS[r]);
                print_bytes();
                print_registers(operation, REGISTERS[t], REGISTERS[l], REGISTERS[r]);
            }
}

/* With all of them, which takes the longer encoding where one is from 16 on. */
static void list_all_registers(const operation *operation) {
    for (int i = 0; i < ALL_REGISTER_COUNT * ALL_REGISTER_COUNT * ALL_REGISTER_COUNT; ++i) {
        const int t = ALL_REGISTERS[i % ALL_REGISTER_COUNT],
                  l = ALL_REGISTERS[i / ALL_REGISTER_COUNT % ALL_REGISTER_COUNT],
                  r = ALL_REGISTERS[i / ALL_REGISTER_COUNT / ALL_REGISTER_COUNT];
        if (t < 16 && l < 16 && r < 16)
            continue;
        sb_emit_registers(&emitter, operation->opcode, t, l, r);
        print_bytes();
        print_registers(operation, t, l, r);
    }
}

static void list_memory(const operation *operation, int target, int left) {
    for (int b = 0; b < BASE_COUNT; ++b)
        for (int d = 0; d < DISPLACEMENT_COUNT; ++d) {
            const long displacement = DISPLACEMENTS[d];
            const char v = vector();
            const char *base = POINTERS[BASES[b]];
            sb_emit_memory(&emitter, operation->opcode, target, left, BASES[b], DISPLACEMENTS[d]);
            print_bytes();
            if (operation->opcode == SB_VMOVUPS_STORE)
                printf("vmovups [%s%+ld], %cmm%d\n", base, displacement, v, target);
            else if (operation->opcode == SB_VMOVUPS_LOAD)
                printf("vmovups %cmm%d, [%s%+ld]\n", v, target, base, displacement);
            else
                printf("%s %cmm%d, %cmm%d, [%s%+ld]\n", operation->name, v, target, v, left, base,
                       displacement);
        }
}

/* Of a few registers, or of all. */
static void list_shifts(const int *registers, int count) {
    const char v = vector();
    for (int t = 0; t < count; ++t)
        for (int s = 0; s < count; ++s) {
            sb_emit_shift_left(&emitter, registers[t], registers[s], 25);
            print_bytes();
            printf("vpslld %cmm%d, %cmm%d, 25\n", v, registers[t], v, registers[s]);
            sb_emit_shift_right(&emitter, registers[t], registers[s], 2);
            print_bytes();
            printf("vpsrld %cmm%d, %cmm%d, 2\n", v, registers[t], v, registers[s]);
        }
}

static void list_ones(void) {
    for (int t = 0; t < ALL_REGISTER_COUNT; ++t) {
        const int target = ALL_REGISTERS[t];
        const bool compares = target < 16 && !emitter.long_vectors;
        const char *name = compares ? "vpcmpeqd" : "vpternlogd";
        const char v = vector();
        sb_emit_ones(&emitter, target);
        print_bytes();
        printf("%s %cmm%d, %cmm%d, %cmm%d%s\n", name, v, target, v, target, v, target,
               compares ? "" : ", 255");
    }
}

static void list_pointers(void) {
    for (int t = 0; t < BASE_COUNT; ++t)
        for (int b = 0; b < BASE_COUNT; ++b)
            for (int d = 0; d < 3; ++d) {
                sb_emit_load_pointer(&emitter, BASES[t], BASES[b], (int8_t)(8 * d));
                print_bytes();
                printf("mov %s, [%s%+d]\n", POINTERS[BASES[t]], POINTERS[BASES[b]], 8 * d);
            }
}

static void list_prefetches(void) {
    for (int b = 0; b < BASE_COUNT; ++b)
        for (int d = 0; d < DISPLACEMENT_COUNT; ++d) {
            sb_emit_prefetch(&emitter, BASES[b], DISPLACEMENTS[d]);
            print_bytes();
            printf("prefetcht1 [%s%+d]\n", POINTERS[BASES[b]], DISPLACEMENTS[d]);
        }
}

/* Everything that has vectors, of the size at hand. */
static void list_vectors(void) {
    const operation load = {SB_VMOVUPS_LOAD, "vmovups"}, store = {SB_VMOVUPS_STORE, "vmovups"};
    for (int i = 0; i < ARITHMETIC_COUNT; ++i) {
        list_registers(&ARITHMETIC[i]);
        list_all_registers(&ARITHMETIC[i]);
        list_memory(&ARITHMETIC[i], 3, 12);
        list_memory(&ARITHMETIC[i], 13, 4);
        list_memory(&ARITHMETIC[i], 16, 15);
        list_memory(&ARITHMETIC[i], 7, 24);
    }
    for (int target = 2; target < 32; target += 12) {
        list_memory(&load, target, 0);
        list_memory(&store, target, 0);
    }
    list_ones();
    list_shifts(REGISTERS, REGISTER_COUNT);
    if (emitter.long_vectors)
        list_shifts(ALL_REGISTERS, ALL_REGISTER_COUNT);
}

int main(void) {
    list_vectors();
    emitter.long_vectors = true;
    list_vectors();
    emitter.long_vectors = false;
    list_pointers();
    list_prefetches();
    sb_emit_return(&emitter);
    print_bytes();
    printf("vzeroupper; ret\n");
    sb_emit_return(&emitter);
    sb_emit_align(&emitter, 8);
    print_bytes();
    printf("vzeroupper; ret; int3; int3; int3; int3\n");
    return 0;
}
