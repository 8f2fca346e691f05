/* Every instruction the ARM emitter writes, with operands that reach both ends of every field: a
 * line of its bytes in hexadecimal, a tab, and its text for an assembler. */
#include "jit/arm_emitter.h"

#include <stdio.h>

static const int REGISTERS[] = {0, 1, 8, 15, 16, 31};
static const int BASES[] = {0, 1, 5, 30};

enum {
    REGISTER_COUNT = sizeof REGISTERS / sizeof *REGISTERS,
    BASE_COUNT = sizeof BASES / sizeof *BASES
};

static uint8_t machine_code[64];
static sb_emitter emitter = {machine_code, 0, sizeof machine_code};

/* The bytes since the last call; what they should mean follows on the line. */
static void print_bytes(void) {
    for (size_t i = 0; i < emitter.size; ++i)
        printf("%02x", machine_code[i]);
    printf("\t");
    emitter.size = 0;
}

static void print_word(uint32_t word) {
    sb_arm_emit(&emitter, word);
    print_bytes();
}

typedef struct operation {
    sb_arm_operation opcode;
    const char *name, *right;
} operation;

static void list_registers(const operation *operation) {
    for (int t = 0; t < REGISTER_COUNT; ++t)
        for (int l = 0; l < REGISTER_COUNT; ++l)
            for (int r = 0; r < REGISTER_COUNT; ++r) {
                print_word(
                    sb_arm_registers(operation->opcode, REGISTERS[t], REGISTERS[l], REGISTERS[r]));
                printf("%s v%d.8h, v%d.8h, v%d.%s\n", operation->name, REGISTERS[t], REGISTERS[l],
                       REGISTERS[r], operation->right);
            }
}

typedef struct access {
    sb_arm_access opcode;
    const char *name;
    int size;
} access;

static void list_memory(const access *access) {
    const int displacements[] = {0, 1, 2, 127, 2048, 4095};
    for (int t = 0; t < REGISTER_COUNT; ++t)
        for (int b = 0; b < BASE_COUNT; ++b)
            for (int d = 0; d < 6; ++d) {
                const int target = access->opcode == SB_ARM_LOAD_X ? BASES[b] : REGISTERS[t];
                const int displacement = displacements[d] * access->size;
                print_word(sb_arm_memory(access->opcode, target, BASES[b], displacement));
                printf("%s%d, [x%d, #%d]\n", access->name, target, BASES[b], displacement);
            }
}

static void list_pairs(void) {
    for (int pair = 0; pair < 4; ++pair) {
        print_word(sb_arm_save_pair(pair));
        if (pair)
            printf("stp d%d, d%d, [sp, #%d]\n", 8 + 2 * pair, 9 + 2 * pair, 16 * pair);
        else
            printf("stp d8, d9, [sp, #-64]!\n");
        print_word(sb_arm_restore_pair(pair));
        if (pair)
            printf("ldp d%d, d%d, [sp, #%d]\n", 8 + 2 * pair, 9 + 2 * pair, 16 * pair);
        else
            printf("ldp d8, d9, [sp], #64\n");
    }
}

static void list_pages(void) {
    const int pages[] = {0, 1, 8, 248, 4095};
    for (int b = 0; b < BASE_COUNT; ++b)
        for (int i = 0; i < 5; ++i) {
            print_word(sb_arm_add_pages(BASES[b], BASES[BASE_COUNT - 1 - b], pages[i]));
            printf("add x%d, x%d, #%d, lsl #12\n", BASES[b], BASES[BASE_COUNT - 1 - b], pages[i]);
        }
}

int main(void) {
    const operation operations[] = {{SB_ARM_ADD, "add", "8h"},
                                    {SB_ARM_SUB, "sub", "8h"},
                                    {SB_ARM_UADDW, "uaddw", "8b"},
                                    {SB_ARM_USUBW, "usubw", "8b"}};
    const access accesses[] = {{SB_ARM_LOAD_D, "ldr d", 8},
                               {SB_ARM_LOAD_Q, "ldr q", 16},
                               {SB_ARM_STORE_Q, "str q", 16},
                               {SB_ARM_LOAD_X, "ldr x", 8}};
    for (int i = 0; i < 4; ++i) {
        list_registers(operations + i);
        list_memory(accesses + i);
    }
    for (int t = 0; t < REGISTER_COUNT; ++t) {
        print_word(sb_arm_zero(REGISTERS[t]));
        printf("movi v%d.2d, #0\n", REGISTERS[t]);
    }
    list_pages();
    list_pairs();
    print_word(sb_arm_return());
    printf("ret\n");
    sb_arm_emit(&emitter, sb_arm_return());
    sb_arm_align(&emitter, 16);
    print_bytes();
    printf("ret; brk #0; brk #0; brk #0\n");
    return 0;
}
