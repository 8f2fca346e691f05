/* What a program on the emulated board can ask for. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

void print_number(const char *label, uint32_t number);
uint32_t clock_now(void);
uint32_t instructions_since(uint32_t then);
void paint_stack(void);
/* Bytes of stack that were ever used below an address. */
uint32_t stack_bytes_below(const void *from);

#endif
