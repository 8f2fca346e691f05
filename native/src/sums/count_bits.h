/* How many bits of a word are set: by the instruction for it where the CPU has one. A function that
 * counts by it is marked SB_COUNTS_BITS, and called where counts_bits() says so. */
#ifndef SB_COUNT_BITS_H
#define SB_COUNT_BITS_H

#include <stdbool.h>
#include <stdint.h>

static inline int32_t count_bits(uint64_t word) {
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (int32_t)(word * UINT64_C(0x0101010101010101) >> 56);
}

#if defined(__GNUC__) && defined(__x86_64__)
#define SB_COUNTS_BITS __attribute__((target("popcnt")))
#define SB_COUNT_BITS(word) __builtin_popcountll(word)
static inline bool counts_bits(void) {
    return __builtin_cpu_supports("popcnt");
}
#else
#define SB_COUNTS_BITS
#define SB_COUNT_BITS(word) count_bits(word)
static inline bool counts_bits(void) {
    return true;
}
#endif

#endif
