/* Wrong kernels that no compiler would make. */
#if defined(__aarch64__)
    .text
    .macro plant name
    .globl \name
    .hidden \name
    .type \name, %function
\name:
    .endm

    plant planted_illegal
    udf #0
    plant planted_stack_write
    str xzr, [sp, #64]
    ret
    plant planted_stack_pointer
    sub sp, sp, #16
    ret
    plant planted_x19
    mov x19, #0
    ret
    plant planted_x28
    add x28, x28, #1
    ret
    plant planted_d8
    movi v8.2d, #0
    ret
    plant planted_d15
    fmov d15, d0
    ret
    plant planted_fpcr
    mrs x9, fpcr
    orr x9, x9, #0x1000000
    msr fpcr, x9
    ret
#endif
    .section .note.GNU-stack,"",%progbits
