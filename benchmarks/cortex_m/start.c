/* Start-up for the emulated board mps2-an386: vectors, semihosting, a painted stack, and a clock
 * that counts instructions (SysTick at 25 MHz under -icount shift=0: 40 instructions a tick). */
#include "board.h"

extern uint32_t _stack, _heap_end, _bss, _ebss, _data, _edata, _load;
int main(void);

enum { PAINT = 0x5a5a5a5a, EXIT_OK = 0x20026, EXIT_FAILED = 0x20024, MASK = 0xffffff };
#define SYST_CSR (*(volatile uint32_t *)0xe000e010)
#define SYST_RVR (*(volatile uint32_t *)0xe000e014)
#define SYST_CVR (*(volatile uint32_t *)0xe000e018)
#define CPACR (*(volatile uint32_t *)0xe000ed88)

static void semihost(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void print_number(const char *label, uint32_t number) {
    char text[12];
    int at = 11;
    text[at--] = 0;
    text[at--] = '\n';
    do
        text[at--] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    semihost(4, label);
    semihost(4, text + at + 1);
}

uint32_t clock_now(void) {
    return SYST_CVR;
}

uint32_t instructions_since(uint32_t then) {
    return ((then - SYST_CVR) & MASK) * 40u;
}

void paint_stack(void) {
    uint32_t end;
    __asm__ volatile("mov %0, sp" : "=r"(end));
    for (uint32_t at = (uint32_t)&_heap_end; at < end - 64; at += 4)
        *(volatile uint32_t *)at = PAINT;
}

uint32_t stack_bytes_below(const void *from) {
    volatile uint32_t *at = &_heap_end;
    while (*at == PAINT)
        ++at;
    return (uint32_t)((const char *)from - (const char *)at);
}

void reset(void) {
    int failed;
#if defined(__ARM_FP)
    CPACR |= 0xfu << 20;
    __asm__ volatile("dsb\nisb");
#endif
    for (uint32_t *to = &_data, *from = &_load; to < &_edata;)
        *to++ = *from++;
    for (uint32_t *to = &_bss; to < &_ebss;)
        *to++ = 0;
    SYST_RVR = MASK;
    SYST_CVR = 0;
    SYST_CSR = 5;
    failed = main();
    semihost(0x18, (const void *)(failed ? EXIT_FAILED : EXIT_OK));
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) const void *const vectors[] = {&_stack, (void *)reset};
