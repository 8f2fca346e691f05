/* The trampoline of 64-bit ARM (AAPCS64). Offsets are those of check_frame in machine.h. */
#if defined(__aarch64__)
#define FUNCTION 0
#define ARGUMENTS 8
#define STACK 32
#define SAVED_STACK 48
#define KEPT 56
#define MODES_BEFORE 216
#define MODES 232

    .text
    .globl check_trampoline
    .hidden check_trampoline
    .type check_trampoline, %function
check_trampoline:
    stp x29, x30, [sp, #-160]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    adrp x9, frame
    str x0, [x9, #:lo12:frame]
    mov x9, sp
    str x9, [x0, #SAVED_STACK]
    mrs x9, fpcr
    str x9, [x0, #MODES_BEFORE]
    ldr x9, [x0, #STACK]
    mov sp, x9
    ldr x16, [x0, #FUNCTION]
    ldr x1, [x0, #ARGUMENTS+8]
    ldr x2, [x0, #ARGUMENTS+16]
    ldr x0, [x0, #ARGUMENTS]
    /* Registers that nobody may rely on hold no number, those that must be kept a pattern. */
    mov w9, #0xa5a5
    movk w9, #0x7fa5, lsl #16
    .irp number, 0,1,2,3,4,5,6,7,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    dup v\number\().4s, w9
    .endr
    movz x19, #0xc0de, lsl #48
    .irp number, 20,21,22,23,24,25,26,27,28,29
    add x\number, x19, #(\number - 19)
    .endr
    .irp number, 8,9,10,11,12,13,14,15
    add x9, x19, #(\number + 4)
    fmov d\number, x9
    .endr
    .irp number, 3,4,5,6,7,8,10,11,12,13,14,15,17
    mov x\number, x9
    .endr
    blr x16
    /* No register is believed before it has been put down. */
    adrp x9, frame
    ldr x9, [x9, #:lo12:frame]
    stp x19, x20, [x9, #KEPT]
    stp x21, x22, [x9, #KEPT+16]
    stp x23, x24, [x9, #KEPT+32]
    stp x25, x26, [x9, #KEPT+48]
    stp x27, x28, [x9, #KEPT+64]
    mov x10, sp
    stp x29, x10, [x9, #KEPT+80]
    stp d8, d9, [x9, #KEPT+96]
    stp d10, d11, [x9, #KEPT+112]
    stp d12, d13, [x9, #KEPT+128]
    stp d14, d15, [x9, #KEPT+144]
    mrs x10, fpcr
    str x10, [x9, #MODES]
    ldr x10, [x9, #MODES_BEFORE]
    msr fpcr, x10
    ldr x10, [x9, #SAVED_STACK]
    mov sp, x10
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #160
    ret
    .size check_trampoline, . - check_trampoline

    .bss
    .balign 8
frame:
    .zero 8
#endif
    .section .note.GNU-stack,"",%progbits
