/* e^x of a vector of floats, and what other functions need of it. Every step is one float32
 * operation, the same on every instruction set. NaN stays NaN; nothing depends on the modes of the
 * processor but rounding to nearest.
 *
 *   x = whole * ln 2 + rest, |rest| <= ln 2 / 2,  e^x = fraction * first * second
 * with fraction = e^rest and first, second powers of two, 2^whole together. They are multiplied one
 * after the other, so that results beyond float32 become infinite, those below it subnormal, and
 * both are rounded once. A factor that goes in before them (y * e^x) keeps its digits. */
#ifndef SB_KERNELS_EXPONENTIAL_H
#define SB_KERNELS_EXPONENTIAL_H

#include "lane_vector.h"

#include <string.h>

/* 1.5 * 2^23: what is added to it keeps no fraction and lies in its low bits. */
#define SB_ROUNDER 12582912.0f

/* coefficients[0] + coefficients[1] * x + ... */
SB_INLINE sb_vector sb_polynomial(sb_vector x, const float *coefficients, int count) {
    sb_vector sum = SB_BROADCAST(coefficients[count - 1]);
    SB_UNROLL
    for (int i = count - 2; i >= 0; --i)
        sum = SB_ADD(SB_MULTIPLY(sum, x), SB_BROADCAST(coefficients[i]));
    return sum;
}

SB_INLINE sb_vector sb_round_whole(sb_vector x) {
    return SB_SUBTRACT(SB_ADD(x, SB_BROADCAST(SB_ROUNDER)), SB_BROADCAST(SB_ROUNDER));
}

SB_INLINE sb_vector sb_negated(sb_vector x) {
    return SB_MULTIPLY(x, SB_BROADCAST(-1.0f));
}

SB_INLINE sb_vector sb_magnitude(sb_vector x) {
    return SB_SELECT_LESS(x, SB_BROADCAST(0.0f), sb_negated(x), x);
}

/* x, but at most and at least `bound`; NaN stays. */
SB_INLINE sb_vector sb_at_most(sb_vector x, float bound) {
    return SB_SELECT_LESS(SB_BROADCAST(bound), x, SB_BROADCAST(bound), x);
}

SB_INLINE sb_vector sb_at_least(sb_vector x, float bound) {
    return SB_SELECT_LESS(x, SB_BROADCAST(bound), SB_BROADCAST(bound), x);
}

/* 2^whole of whole numbers -126..127, made in the bits of the exponent. Of other x any number. */
SB_INLINE sb_vector sb_power_of_two(sb_vector whole) {
    const sb_vector shifted = SB_ADD(whole, SB_BROADCAST(SB_ROUNDER + 127.0f));
    uint32_t bits[SB_LANES];
    sb_vector power;
    memcpy(bits, &shifted, sizeof bits);
    for (int i = 0; i < SB_LANES; ++i)
        bits[i] <<= 23;
    memcpy(&power, bits, sizeof power);
    return power;
}

typedef struct sb_reduced {
    sb_vector whole, rest;
} sb_reduced;

/* Of x + low, |x| < 200: whole * ln 2 is taken off in two parts, the first of them exactly. */
SB_INLINE sb_reduced sb_reduce(sb_vector x, sb_vector low) {
    sb_reduced made;
    made.whole = sb_round_whole(SB_MULTIPLY(x, SB_BROADCAST(1.44269504f)));
    const sb_vector most = SB_SUBTRACT(x, SB_MULTIPLY(made.whole, SB_BROADCAST(0.693359375f)));
    const sb_vector fine = SB_MULTIPLY(made.whole, SB_BROADCAST(-2.12194440e-4f));
    made.rest = SB_ADD(SB_SUBTRACT(most, fine), low);
    return made;
}

/* e^rest - 1 = rest + rest^2 * P(rest); P has the least largest error on |rest| <= ln 2 / 2. */
SB_INLINE sb_vector sb_fraction_less_one(sb_vector rest) {
    static const float P[] = {0.5f, 0.16666545f, 0.041666288f, 0.0083664740f, 0.0013946220f};
    const sb_vector square = SB_MULTIPLY(rest, rest);
    return SB_ADD(rest, SB_MULTIPLY(square, sb_polynomial(rest, P, 5)));
}

typedef struct sb_power {
    sb_vector fraction, first, second;
} sb_power;

/* e^(x + low), |x| < 170; low is what x lacks. */
SB_INLINE sb_power sb_exponential_of(sb_vector x, sb_vector low) {
    const sb_reduced reduced = sb_reduce(x, low);
    const sb_vector half = sb_round_whole(SB_MULTIPLY(reduced.whole, SB_BROADCAST(0.5f)));
    sb_power power;
    power.fraction = SB_ADD(SB_BROADCAST(1.0f), sb_fraction_less_one(reduced.rest));
    power.first = sb_power_of_two(half);
    power.second = sb_power_of_two(SB_SUBTRACT(reduced.whole, half));
    return power;
}

/* factor * e^x. */
SB_INLINE sb_vector sb_scaled_power(sb_vector factor, const sb_power *power) {
    const sb_vector scaled = SB_MULTIPLY(factor, power->fraction);
    return SB_MULTIPLY(SB_MULTIPLY(scaled, power->first), power->second);
}

SB_INLINE sb_vector sb_exponential(sb_vector x) {
    const sb_vector held = sb_at_most(sb_at_least(x, -104.0f), 89.0f);
    const sb_power power = sb_exponential_of(held, SB_BROADCAST(0.0f));
    return sb_scaled_power(SB_BROADCAST(1.0f), &power);
}

/* e^x - 1 for -80 < x < 80. */
SB_INLINE sb_vector sb_exponential_less_one(sb_vector x) {
    const sb_reduced reduced = sb_reduce(x, SB_BROADCAST(0.0f));
    const sb_vector power = sb_power_of_two(reduced.whole);
    const sb_vector whole = SB_SUBTRACT(power, SB_BROADCAST(1.0f));
    return SB_ADD(SB_MULTIPLY(power, sb_fraction_less_one(reduced.rest)), whole);
}

/* ---- products with twice the digits -------------------------------------------------------- */

/* The upper half of the digits of a number below 2^100 (Veltkamp). */
SB_INLINE sb_vector sb_upper_digits(sb_vector x) {
    const sb_vector spread = SB_MULTIPLY(x, SB_BROADCAST(4097.0f));
    return SB_SUBTRACT(spread, SB_SUBTRACT(spread, x));
}

/* What the rounded product a * b lacks, exactly (Dekker). */
SB_INLINE sb_vector sb_product_rest(sb_vector a, sb_vector b, sb_vector product) {
    const sb_vector a_high = sb_upper_digits(a), a_low = SB_SUBTRACT(a, a_high);
    const sb_vector b_high = sb_upper_digits(b), b_low = SB_SUBTRACT(b, b_high);
    sb_vector rest = SB_SUBTRACT(SB_MULTIPLY(a_high, b_high), product);
    rest = SB_ADD(rest, SB_MULTIPLY(a_high, b_low));
    rest = SB_ADD(rest, SB_MULTIPLY(a_low, b_high));
    return SB_ADD(rest, SB_MULTIPLY(a_low, b_low));
}

#endif
