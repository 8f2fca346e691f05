/* The functions of functions.def on a vector of floats: y = f(x), or f(x, alpha).
 *
 * Results are within a few units in the last place of the real function over all float32 numbers,
 * subnormal ones among them; tests/native/test_functions.py says how many. Infinite x gives what
 * PyTorch gives: x * 0 = NaN where the formula has it. What must be computed with e^x for negative
 * x is computed from e^-|x|, so that nothing overflows on the way. */
#ifndef SB_KERNELS_FUNCTIONS_H
#define SB_KERNELS_FUNCTIONS_H

#include "../lane/exponential.h"

#include <float.h>
#include <math.h>

/* y, but NaN where x is -infinity: there the formula is -infinity * 0. */
SB_INLINE sb_vector sb_without_limit(sb_vector x, sb_vector y) {
    return SB_SELECT_LESS(x, SB_BROADCAST(-FLT_MAX), SB_BROADCAST(NAN), y);
}

SB_INLINE sb_vector sb_where_negative(sb_vector x, sb_vector yes, sb_vector no) {
    return SB_SELECT_LESS(x, SB_BROADCAST(0.0f), yes, no);
}

/* |x| */
SB_INLINE sb_vector sb_function_abs(sb_vector x, float alpha) {
    (void)alpha;
    return sb_magnitude(x);
}

/* -1 where x < 0, else 1: what binary networks make of their activations; of NaN 1. */
SB_INLINE sb_vector sb_function_binary_sign(sb_vector x, float alpha) {
    (void)alpha;
    return SB_SELECT_LESS(x, SB_BROADCAST(0.0f), SB_BROADCAST(-1.0f), SB_BROADCAST(1.0f));
}

/* x > 0 ? x : alpha * (e^x - 1); below -26 that is -alpha. */
SB_INLINE sb_vector sb_function_elu(sb_vector x, float alpha) {
    const sb_vector held = sb_at_most(sb_at_least(x, -26.0f), 0.0f);
    const sb_vector y = SB_MULTIPLY(SB_BROADCAST(alpha), sb_exponential_less_one(held));
    return SB_SELECT_LESS(SB_BROADCAST(0.0f), x, x, y);
}

/* 2 / sqrt(pi) * integral of e^-t^2 up to x: x * N(x^2) below 1; above 1 - erfc(x), and erfc(x) =
 * 2 Phi(-a) of a = x sqrt 2, as gelu has it. */
SB_INLINE sb_vector sb_function_erf(sb_vector x, float alpha) {
    static const float N[] = {1.12837911f,    -0.37612626f,   0.112835944f,  -0.0268542115f,
                              0.00518908724f, -8.0168643e-4f, 7.87587487e-5f};
    static const float P[] = {0.28323191f,    -0.13355060f,   0.069189429f,   -0.021553556f,
                              -6.6623367e-4f, 4.7224835e-3f,  -2.2493780e-3f, 1.7331743e-4f,
                              2.5910643e-4f,  -5.9572540e-5f, -3.2777196e-5f};
    const sb_vector one = SB_BROADCAST(1.0f), four = SB_BROADCAST(4.0f);
    const sb_vector m = sb_at_most(sb_magnitude(x), 5.0f), square = SB_MULTIPLY(m, m);
    const sb_vector near = SB_MULTIPLY(m, sb_polynomial(square, N, 7));
    const sb_vector a = SB_MULTIPLY(m, SB_BROADCAST(1.41421356f));
    const sb_vector place = SB_DIVIDE(SB_SUBTRACT(a, four), SB_ADD(a, four));
    const sb_vector slow =
        SB_DIVIDE(sb_polynomial(place, P, 11), SB_ADD(one, SB_MULTIPLY(a, SB_BROADCAST(0.5f))));
    const sb_vector twice = SB_ADD(slow, slow);
    const sb_vector far = SB_SUBTRACT(one, SB_MULTIPLY(twice, sb_exponential(sb_negated(square))));
    const sb_vector y = SB_SELECT_LESS(m, one, near, far);
    (void)alpha;
    return SB_SELECT_NUMBER(x, sb_where_negative(x, sb_negated(y), y), x);
}

/* e^x */
SB_INLINE sb_vector sb_function_exp(sb_vector x, float alpha) {
    (void)alpha;
    return sb_exponential(x);
}

/* x * Phi(x), Phi(-a) = erfc(a / sqrt 2) / 2 = e^(-a^2 / 2) * P((a - 4) / (a + 4)) / (1 + a / 2).
 * The square has twice the digits, for e^ makes its last ones the result's first. */
SB_INLINE sb_vector sb_function_gelu(sb_vector x, float alpha) {
    static const float P[] = {0.28323191f,    -0.13355060f,   0.069189429f,   -0.021553556f,
                              -6.6623367e-4f, 4.7224835e-3f,  -2.2493780e-3f, 1.7331743e-4f,
                              2.5910643e-4f,  -5.9572540e-5f, -3.2777196e-5f};
    const sb_vector four = SB_BROADCAST(4.0f), minus_half = SB_BROADCAST(-0.5f);
    const sb_vector a = sb_at_most(sb_magnitude(x), 15.0f), square = SB_MULTIPLY(a, a);
    const sb_vector rest = sb_product_rest(a, a, square);
    const sb_power power =
        sb_exponential_of(SB_MULTIPLY(square, minus_half), SB_MULTIPLY(rest, minus_half));
    const sb_vector place = SB_DIVIDE(SB_SUBTRACT(a, four), SB_ADD(a, four));
    const sb_vector one = SB_BROADCAST(1.0f);
    const sb_vector slow =
        SB_DIVIDE(sb_polynomial(place, P, 11), SB_ADD(one, SB_MULTIPLY(a, SB_BROADCAST(0.5f))));
    const sb_vector below = sb_negated(sb_scaled_power(SB_MULTIPLY(a, slow), &power));
    const sb_vector above = SB_MULTIPLY(x, SB_SUBTRACT(one, sb_scaled_power(slow, &power)));
    (void)alpha;
    return sb_without_limit(x, sb_where_negative(x, below, above));
}

/* x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) = x / (1 + e^-v),
 * v = x * (c + d * x^2), c = 2 sqrt(2 / pi), d = 0.044715 c; v has twice the digits. */
SB_INLINE sb_vector sb_function_gelu_tanh(sb_vector x, float alpha) {
    const sb_vector c = SB_BROADCAST(1.59576917f), c_rest = SB_BROADCAST(-4.5340680e-8f);
    const sb_vector d = SB_BROADCAST(0.0713548139f), d_rest = SB_BROADCAST(2.3988324e-9f);
    const sb_vector a = sb_at_most(sb_magnitude(x), 11.0f), one = SB_BROADCAST(1.0f);
    const sb_vector square = SB_MULTIPLY(a, a), cubic = SB_MULTIPLY(d, square);
    sb_vector low = SB_MULTIPLY(d, sb_product_rest(a, a, square));
    low = SB_ADD(SB_ADD(low, sb_product_rest(d, square, cubic)), SB_MULTIPLY(d_rest, square));
    const sb_vector slope = SB_ADD(c, cubic), part = SB_SUBTRACT(slope, c);
    const sb_vector lost =
        SB_ADD(SB_SUBTRACT(c, SB_SUBTRACT(slope, part)), SB_SUBTRACT(cubic, part));
    low = SB_ADD(SB_ADD(low, lost), c_rest);
    const sb_vector v = SB_MULTIPLY(a, slope);
    low = SB_ADD(SB_MULTIPLY(a, low), sb_product_rest(a, slope, v));
    const sb_power power = sb_exponential_of(sb_negated(v), sb_negated(low));
    const sb_vector below = sb_negated(sb_scaled_power(a, &power));
    const sb_vector y =
        SB_DIVIDE(sb_where_negative(x, below, x), SB_ADD(one, sb_scaled_power(one, &power)));
    (void)alpha;
    return sb_without_limit(x, y);
}

/* min(max(x + 3, 0), 6) / 6 */
SB_INLINE sb_vector sb_function_hard_sigmoid(sb_vector x, float alpha) {
    const sb_vector raised = sb_at_least(SB_ADD(x, SB_BROADCAST(3.0f)), 0.0f);
    (void)alpha;
    return SB_DIVIDE(sb_at_most(raised, 6.0f), SB_BROADCAST(6.0f));
}

/* x * min(max(x + 3, 0), 6) / 6 */
SB_INLINE sb_vector sb_function_hard_swish(sb_vector x, float alpha) {
    return SB_MULTIPLY(x, sb_function_hard_sigmoid(x, alpha));
}

/* log of x = m 2^whole, m from sqrt(1/2) to sqrt 2: s P(s^2) + whole * log 2, s = 2 (m - 1) / (m +
 * 1). Subnormal numbers are taken 2^23 times. */
SB_INLINE sb_vector sb_function_log(sb_vector x, float alpha) {
    static const float P[] = {1.0f, 0.0833335221f, 0.0124921408f, 0.00233784295f};
    const sb_vector least = SB_BROADCAST(FLT_MIN), one = SB_BROADCAST(1.0f);
    const sb_vector raised = SB_SELECT_LESS(x, least, SB_MULTIPLY(x, SB_BROADCAST(8388608.0f)), x);
    const sb_vector lowered = SB_SELECT_LESS(x, least, SB_BROADCAST(-23.0f), SB_BROADCAST(0.0f));
    const uint32_t root = 0x3f3504f3; /* sqrt(1/2) */
    uint32_t bits[SB_LANES];
    float exponents[SB_LANES];
    sb_vector m, whole;
    memcpy(bits, &raised, sizeof bits);
    for (int i = 0; i < SB_LANES; ++i) {
        const uint32_t above = bits[i] - root;
        exponents[i] = (float)((int32_t)((above >> 23) ^ 256u) - 256);
        bits[i] = (above & 0x7fffffu) + root;
    }
    memcpy(&m, bits, sizeof m);
    memcpy(&whole, exponents, sizeof whole);
    whole = SB_ADD(whole, lowered);
    const sb_vector half = SB_DIVIDE(SB_SUBTRACT(m, one), SB_ADD(m, one));
    const sb_vector s = SB_ADD(half, half);
    const sb_vector part = SB_MULTIPLY(s, sb_polynomial(SB_MULTIPLY(s, s), P, 4));
    const sb_vector fine = SB_MULTIPLY(whole, SB_BROADCAST(-2.12194440e-4f));
    sb_vector y = SB_ADD(SB_MULTIPLY(whole, SB_BROADCAST(0.693359375f)), SB_ADD(part, fine));
    y = SB_SELECT_LESS(SB_BROADCAST(FLT_MAX), x, x, y);
    y = SB_SELECT_LESS(SB_BROADCAST(0.0f), x, y, SB_BROADCAST(-INFINITY));
    y = sb_where_negative(x, SB_BROADCAST(NAN), y);
    (void)alpha;
    return SB_SELECT_NUMBER(x, y, x);
}

/* x * tanh(log(1 + e^x)) = x * n / (n + 2), n = e^x * (e^x + 2); beyond 20 that is x. */
SB_INLINE sb_vector sb_function_mish(sb_vector x, float alpha) {
    const sb_vector two = SB_BROADCAST(2.0f), twenty = SB_BROADCAST(20.0f);
    const sb_vector held = sb_at_most(sb_at_least(x, -110.0f), 20.0f);
    const sb_power power = sb_exponential_of(held, SB_BROADCAST(0.0f));
    const sb_vector e = sb_scaled_power(SB_BROADCAST(1.0f), &power), more = SB_ADD(e, two);
    const sb_vector above = SB_MULTIPLY(sb_scaled_power(held, &power), more);
    const sb_vector y = SB_DIVIDE(above, SB_ADD(SB_MULTIPLY(e, more), two));
    (void)alpha;
    return sb_without_limit(x, SB_SELECT_LESS(twenty, x, x, y));
}

/* 1 / x */
SB_INLINE sb_vector sb_function_reciprocal(sb_vector x, float alpha) {
    (void)alpha;
    return SB_DIVIDE(SB_BROADCAST(1.0f), x);
}

/* 1 / (1 + e^-x) */
SB_INLINE sb_vector sb_function_sigmoid(sb_vector x, float alpha) {
    const sb_vector one = SB_BROADCAST(1.0f);
    const sb_vector e = sb_exponential(sb_negated(sb_magnitude(x)));
    (void)alpha;
    return SB_DIVIDE(sb_where_negative(x, e, one), SB_ADD(one, e));
}

/* -1, 0 or 1; of NaN 0, as PyTorch has it. */
SB_INLINE sb_vector sb_function_sign(sb_vector x, float alpha) {
    const sb_vector zero = SB_BROADCAST(0.0f);
    const sb_vector up = SB_SELECT_LESS(zero, x, SB_BROADCAST(1.0f), zero);
    (void)alpha;
    return SB_SELECT_LESS(x, zero, SB_BROADCAST(-1.0f), up);
}

/* x / (1 + e^-x) */
SB_INLINE sb_vector sb_function_silu(sb_vector x, float alpha) {
    const sb_vector one = SB_BROADCAST(1.0f), a = sb_at_most(sb_magnitude(x), 110.0f);
    const sb_power power = sb_exponential_of(sb_negated(a), SB_BROADCAST(0.0f));
    const sb_vector below = sb_negated(sb_scaled_power(a, &power));
    const sb_vector y =
        SB_DIVIDE(sb_where_negative(x, below, x), SB_ADD(one, sb_scaled_power(one, &power)));
    (void)alpha;
    return sb_without_limit(x, y);
}

/* log(1 + e^x) = max(x, 0) + log(1 + e), e = e^-|x|; log(1 + e) = s * P(s^2), s = 2 e / (2 + e). */
SB_INLINE sb_vector sb_function_softplus(sb_vector x, float alpha) {
    static const float P[] = {1.0f, 0.083332889f, 0.012507874f, 2.1840855e-3f, 5.5075326e-4f};
    const sb_vector e = sb_exponential(sb_negated(sb_magnitude(x)));
    const sb_vector s = SB_DIVIDE(SB_ADD(e, e), SB_ADD(e, SB_BROADCAST(2.0f)));
    const sb_vector log = SB_MULTIPLY(s, sb_polynomial(SB_MULTIPLY(s, s), P, 5));
    (void)alpha;
    return SB_ADD(sb_at_least(x, 0.0f), log);
}

/* The root, rounded once. */
SB_INLINE sb_vector sb_function_sqrt(sb_vector x, float alpha) {
    float roots[SB_LANES];
    sb_vector y;
    (void)alpha;
    memcpy(roots, &x, sizeof roots);
    for (int i = 0; i < SB_LANES; ++i)
        roots[i] = sqrtf(roots[i]);
    memcpy(&y, roots, sizeof y);
    return y;
}

/* (e^2a - 1) / (e^2a + 1) for a = |x|, with the sign of x; beyond 10 that is 1. */
SB_INLINE sb_vector sb_function_tanh(sb_vector x, float alpha) {
    const sb_vector a = sb_at_most(sb_magnitude(x), 10.0f);
    const sb_vector t = sb_exponential_less_one(SB_ADD(a, a));
    const sb_vector y = SB_DIVIDE(t, SB_ADD(t, SB_BROADCAST(2.0f)));
    (void)alpha;
    return sb_where_negative(x, sb_negated(y), y);
}

#endif
