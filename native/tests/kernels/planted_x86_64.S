/* Wrong kernels that no compiler would make. */
#if defined(__x86_64__)
    .text
    .macro plant name
    .globl \name
    .hidden \name
    .type \name, @function
\name:
    .endm

    plant planted_illegal
    ud2
    plant planted_stack_write
    movq $0, 64(%rsp)
    ret
    plant planted_stack_pointer
    popq %rax
    pushq %rax
    pushq %rax
    ret
    plant planted_rbx
    xorl %ebx, %ebx
    ret
    plant planted_rbp
    incq %rbp
    ret
    plant planted_r15
    xorl %r15d, %r15d
    ret
    plant planted_mxcsr
    stmxcsr -8(%rsp)
    orl $0x8000, -8(%rsp)
    ldmxcsr -8(%rsp)
    ret
    plant planted_direction
    std
    ret
    plant planted_x87
    fld1
    ret
    plant planted_x87_control
    fnstcw -8(%rsp)
    xorl $0x0c00, -8(%rsp)
    fldcw -8(%rsp)
    ret
    plant planted_upper
    vpcmpeqd %ymm5, %ymm5, %ymm5
    ret
    plant planted_division
    xorl %ecx, %ecx
    xorl %edx, %edx
    divl %ecx
    ret
#endif
    .section .note.GNU-stack,"",%progbits
