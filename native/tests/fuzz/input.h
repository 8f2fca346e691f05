/* Somebody's bytes, read one after another: behind the last there are zeros. */
#ifndef SIGNBIN_FUZZ_INPUT_H
#define SIGNBIN_FUZZ_INPUT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct sb_input {
    const uint8_t *at, *end;
} sb_input;

static inline uint8_t sb_take_byte(sb_input *input) {
    return input->at < input->end ? *input->at++ : 0;
}

static inline uint32_t sb_take_word(sb_input *input) {
    uint32_t word = 0;
    for (int shift = 0; shift < 32; shift += 8)
        word |= (uint32_t)sb_take_byte(input) << shift;
    return word;
}

/* A byte is a small number or one that nobody expects, so that a changed byte is a changed number
 * and moves no other; 254 and 255: the number follows in 2 or 4 bytes. */
static inline int32_t sb_take_number(sb_input *input) {
    static const int32_t nasty[] = {INT32_MIN, -65536,  256,       65535,        65536,
                                    1 << 20,   1 << 28, INT32_MAX, (1 << 28) + 1};
    enum { NASTY = sizeof nasty / sizeof *nasty };
    const uint8_t byte = sb_take_byte(input);
    if (byte == 255)
        return (int32_t)sb_take_word(input);
    if (byte == 254) {
        const uint8_t low = sb_take_byte(input);
        return (int16_t)(low | sb_take_byte(input) << 8);
    }
    return byte < 254 - NASTY ? byte - 8 : nasty[byte - (254 - NASTY)];
}

static inline float sb_take_float(sb_input *input) {
    const uint32_t word = sb_take_word(input);
    float number;
    memcpy(&number, &word, sizeof number);
    return number;
}

#endif
