/* Wrong kernels that no compiler would make: planted_x86_64.S and planted_aarch64.S. */
#ifndef CHECK_PLANTED_MACHINE_H
#define CHECK_PLANTED_MACHINE_H

#include <stdint.h>

void planted_illegal(void);
void planted_stack_write(void);
void planted_stack_pointer(void);
#define CHECK_ANY_MACHINE                                                                          \
    CHECK_PLANT("illegal-instruction", planted_illegal)                                            \
    CHECK_PLANT("stack-write", planted_stack_write)                                                \
    CHECK_PLANT("stack-pointer", planted_stack_pointer)

#if defined(__x86_64__)
void planted_rbx(void);
void planted_rbp(void);
void planted_r15(void);
void planted_mxcsr(void);
void planted_direction(void);
void planted_x87(void);
void planted_x87_control(void);
void planted_upper(void);
void planted_division(void);
#define CHECK_MACHINE_PLANTS                                                                       \
    CHECK_ANY_MACHINE                                                                              \
    CHECK_PLANT("rbx", planted_rbx)                                                                \
    CHECK_PLANT("rbp", planted_rbp)                                                                \
    CHECK_PLANT("r15", planted_r15)                                                                \
    CHECK_PLANT("mxcsr", planted_mxcsr)                                                            \
    CHECK_PLANT("direction-flag", planted_direction)                                               \
    CHECK_PLANT("x87-register", planted_x87)                                                       \
    CHECK_PLANT("x87-control", planted_x87_control)                                                \
    CHECK_PLANT("upper-half", planted_upper)                                                       \
    CHECK_PLANT("arithmetic", planted_division)
static const uint8_t CHECK_RETURN[] = {0xc3};        /* ret */
static const uint8_t CHECK_ILLEGAL[] = {0x0f, 0x0b}; /* ud2 */
#elif defined(__aarch64__)
void planted_x19(void);
void planted_x28(void);
void planted_d8(void);
void planted_d15(void);
void planted_fpcr(void);
#define CHECK_MACHINE_PLANTS                                                                       \
    CHECK_ANY_MACHINE                                                                              \
    CHECK_PLANT("x19", planted_x19)                                                                \
    CHECK_PLANT("x28", planted_x28)                                                                \
    CHECK_PLANT("d8", planted_d8)                                                                  \
    CHECK_PLANT("d15", planted_d15)                                                                \
    CHECK_PLANT("fpcr", planted_fpcr)
static const uint32_t CHECK_RETURN[] = {0xd65f03c0}; /* ret */
static const uint32_t CHECK_ILLEGAL[] = {0};         /* udf #0 */
#endif

#endif
