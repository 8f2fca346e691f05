/* Numbers that a seed alone decides: the same on every machine. */
#ifndef CHECK_RANDOM_H
#define CHECK_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct check_random {
    uint64_t state;
} check_random;

/* splitmix64, by Steele, Lea and Flood. */
static inline uint64_t check_next(check_random *random) {
    uint64_t word = random->state += UINT64_C(0x9e3779b97f4a7c15);
    word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
    return word ^ (word >> 31);
}

/* least..most, both among them. */
static inline int32_t check_between(check_random *random, int32_t least, int32_t most) {
    return least + (int32_t)(check_next(random) % (uint64_t)(most - least + 1));
}

static inline bool check_chance(check_random *random, int32_t percent) {
    return check_between(random, 1, 100) <= percent;
}

/* -1..1, in steps of 2^-20. */
static inline float check_real(check_random *random) {
    return (float)check_between(random, -(1 << 20), 1 << 20) / (float)(1 << 20);
}

/* Small far more often than large: most faults of tails and borders need little. */
static inline int32_t check_extent(check_random *random, int32_t most) {
    const int32_t limit = check_chance(random, 70) && most > 8 ? 8 : most;
    return check_between(random, 1, limit);
}

#endif
