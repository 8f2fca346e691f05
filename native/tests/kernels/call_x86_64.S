/* The trampoline of x86-64 (System V). Offsets are those of check_frame in machine.h. */
#if defined(__x86_64__)
#define FUNCTION 0
#define ARGUMENTS 8
#define STACK 32
#define WIDE 40
#define SAVED_STACK 48
#define KEPT 56
#define MODES_BEFORE 216
#define MODES 232
#define FLAGS 248
#define ENVIRONMENT 256
#define UPPER 288

    .text
    .globl check_trampoline
    .hidden check_trampoline
    .type check_trampoline, @function
check_trampoline:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rdi, frame(%rip)
    movq %rsp, SAVED_STACK(%rdi)
    stmxcsr MODES_BEFORE(%rdi)
    fnstcw MODES_BEFORE+8(%rdi)
    cmpq $0, WIDE(%rdi)
    je 1f
    vzeroupper
1:  movq STACK(%rdi), %rsp
    movq FUNCTION(%rdi), %rax
    movq ARGUMENTS+8(%rdi), %rsi
    movq ARGUMENTS+16(%rdi), %rdx
    movq ARGUMENTS(%rdi), %rdi
    /* Registers that nobody may rely on hold no number, those that must be kept a pattern. */
    movdqu poison(%rip), %xmm0
    movdqa %xmm0, %xmm1
    movdqa %xmm0, %xmm2
    movdqa %xmm0, %xmm3
    movdqa %xmm0, %xmm4
    movdqa %xmm0, %xmm5
    movdqa %xmm0, %xmm6
    movdqa %xmm0, %xmm7
    movdqa %xmm0, %xmm8
    movdqa %xmm0, %xmm9
    movdqa %xmm0, %xmm10
    movdqa %xmm0, %xmm11
    movdqa %xmm0, %xmm12
    movdqa %xmm0, %xmm13
    movdqa %xmm0, %xmm14
    movdqa %xmm0, %xmm15
    movabsq $0x5a5a5a5a5a5a5a5a, %rcx
    movq %rcx, %r8
    movq %rcx, %r9
    movq %rcx, %r10
    movq %rcx, %r11
    movabsq $0xc0de000000000000, %rbx
    movabsq $0xc0de000000000001, %rbp
    movabsq $0xc0de000000000002, %r12
    movabsq $0xc0de000000000003, %r13
    movabsq $0xc0de000000000004, %r14
    movabsq $0xc0de000000000005, %r15
    call *%rax
    /* No register is believed before it has been put down. */
    movq frame(%rip), %rax
    movq %rbx, KEPT(%rax)
    movq %rbp, KEPT+8(%rax)
    movq %r12, KEPT+16(%rax)
    movq %r13, KEPT+24(%rax)
    movq %r14, KEPT+32(%rax)
    movq %r15, KEPT+40(%rax)
    movq %rsp, KEPT+48(%rax)
    movq SAVED_STACK(%rax), %rsp
    pushfq
    popq FLAGS(%rax)
    cld
    stmxcsr MODES(%rax)
    fnstenv ENVIRONMENT(%rax)
    fnstcw MODES+8(%rax)
    cmpq $0, WIDE(%rax)
    je 2f
    vmovdqu %ymm0, UPPER(%rax)
    vmovdqu %ymm1, UPPER+32(%rax)
    vmovdqu %ymm2, UPPER+64(%rax)
    vmovdqu %ymm3, UPPER+96(%rax)
    vmovdqu %ymm4, UPPER+128(%rax)
    vmovdqu %ymm5, UPPER+160(%rax)
    vmovdqu %ymm6, UPPER+192(%rax)
    vmovdqu %ymm7, UPPER+224(%rax)
    vmovdqu %ymm8, UPPER+256(%rax)
    vmovdqu %ymm9, UPPER+288(%rax)
    vmovdqu %ymm10, UPPER+320(%rax)
    vmovdqu %ymm11, UPPER+352(%rax)
    vmovdqu %ymm12, UPPER+384(%rax)
    vmovdqu %ymm13, UPPER+416(%rax)
    vmovdqu %ymm14, UPPER+448(%rax)
    vmovdqu %ymm15, UPPER+480(%rax)
    vzeroupper
2:  ldmxcsr MODES_BEFORE(%rax)
    fninit
    fldcw MODES_BEFORE+8(%rax)
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
    .size check_trampoline, . - check_trampoline

    .bss
    .balign 8
frame:
    .zero 8
    .section .rodata
    .balign 16
poison:
    .quad 0x7fa5a5a57fa5a5a5, 0x7fa5a5a57fa5a5a5
#endif
    .section .note.GNU-stack,"",%progbits
