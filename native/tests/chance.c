#include "chance.h"

static uint32_t state = 7;
static const uint8_t *at, *end;

void sb_chance_of_seed(uint32_t seed) {
    state = seed;
    at = end = NULL;
}

void sb_chance_of_bytes(const uint8_t *bytes, size_t size) {
    sb_chance_of_seed(7);
    for (size_t i = 0; i < size; ++i)
        state = (state ^ bytes[i]) * 16777619u;
    at = bytes;
    end = bytes + size;
}

int32_t sb_chance(int32_t low, int32_t high) {
    const uint32_t range = (uint32_t)high - (uint32_t)low + 1;
    if (at < end) {
        uint32_t choice = *at++;
        if (range > 256 && at < end)
            choice |= (uint32_t)*at++ << 8;
        return low + (int32_t)(choice % range);
    }
    state = state * 1664525u + 1013904223u;
    return low + (int32_t)((state >> 8) % range);
}
