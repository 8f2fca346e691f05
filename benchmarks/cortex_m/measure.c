/* One run of an exported network: are the answers right, how many instructions, how much stack. */
#include "board.h"
#include NETWORK_H
#include GOLDEN_H

static NETWORK_MEMORY memory;
static float output[NETWORK_OUTPUTS];

__attribute__((noinline)) static uint32_t run(uint32_t *stack) {
    uint32_t mark = 0, then;
    paint_stack();
    then = clock_now();
    NETWORK_RUN(&memory, golden_inputs[0], output);
    then = instructions_since(then);
    *stack = stack_bytes_below(&mark);
    return then;
}

int main(void) {
    uint32_t stack = 0, differ = 0;
    print_number("instructions ", run(&stack));
    print_number("stack ", stack);
    print_number("memory ", sizeof memory);
    for (uint32_t i = 0; i < GOLDEN_VECTORS; ++i) {
        NETWORK_RUN(&memory, golden_inputs[i], output);
        for (uint32_t k = 0; k < NETWORK_OUTPUTS; ++k)
            differ += output[k] != golden_outputs[i][k];
    }
    print_number("differ ", differ);
    return differ != 0;
}
