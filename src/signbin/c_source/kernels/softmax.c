/* y[c] = e^(x[c] - m) / sum of them, m the largest x: without libm. Its sum is added in another
 * order than in signbin's own kernels: results agree to about 1e-6, not bit by bit. */
#include "sbc_ending.h"

/* e^x of -104 <= x <= 0: x = whole * ln 2 + rest, and e^rest by a polynomial. */
static float power_of_e(float x) {
    const float held = x < -104.0f ? -104.0f : x;
    const int32_t whole = sbc_nearest(held * 1.44269504f), half = whole / 2;
    const float most = held - (float)whole * 0.693359375f;
    const float rest = most - (float)whole * -2.12194440e-4f;
    float sum = 0.0013946220f;
    union {
        uint32_t bits;
        float number;
    } first, second;
    sum = sum * rest + 0.0083664740f;
    sum = sum * rest + 0.041666288f;
    sum = sum * rest + 0.16666545f;
    sum = sum * rest + 0.5f;
    first.bits = (uint32_t)(half + 127) << 23;
    second.bits = (uint32_t)(whole - half + 127) << 23;
    return (1.0f + (rest + rest * rest * sum)) * first.number * second.number;
}

void sbc_softmax(uint32_t count, float *numbers) {
    float most = numbers[0], sum = 0.0f;
    for (uint32_t i = 1; i < count; ++i)
        most = numbers[i] > most ? numbers[i] : most;
    for (uint32_t i = 0; i < count; ++i) {
        numbers[i] = power_of_e(numbers[i] - most);
        sum += numbers[i];
    }
    for (uint32_t i = 0; i < count; ++i)
        numbers[i] /= sum;
}
