/* Normalisation: every type and instruction set, arrays of no whole vectors, each in memory of its
 * own size, so that a sanitizer sees what lies beyond; results against plain sums in double. */
#include "signbin_training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int test_normalize(void);

enum { MOST = 37 * 21, MOST_CHANNELS = 37 };

static uint16_t to_bfloat(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)(bits >> 16);
}

static float element(const void *array, size_t at, bool bfloat) {
    float x;
    if (!bfloat)
        return ((const float *)array)[at];
    const uint32_t bits = (uint32_t)((const uint16_t *)array)[at] << 16;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void *drawn(size_t count, bool bfloat, uint32_t seed) {
    void *array = malloc(count * (bfloat ? 2 : 4));
    for (size_t i = 0; array && i < count; ++i) {
        seed = seed * 1664525u + 1013904223u;
        const float x = (float)(seed >> 16) / 16384.0f - 2.0f;
        if (bfloat)
            ((uint16_t *)array)[i] = to_bfloat(x);
        else
            ((float *)array)[i] = x;
    }
    return array;
}

/* Whether y is rectify(normalized x + residual); 8 bits of bfloat16 are rounded once. */
static int differ(const sb_normalization *how, const void *x, const void *residual, const void *y,
                  const float *mean, const float *variance) {
    int wrong = 0;
    for (size_t c = 0; c < how->channels; ++c) {
        double sum = 0, squares = 0;
        for (size_t p = 0; p < how->pixels; ++p)
            sum += (double)element(x, p * how->channels + c, how->bfloat);
        sum /= (double)how->pixels;
        for (size_t p = 0; p < how->pixels; ++p) {
            const double d = (double)element(x, p * how->channels + c, how->bfloat) - sum;
            squares += d * d / (double)how->pixels;
        }
        wrong += fabs(sum - (double)mean[c]) > 1e-5 || fabs(squares - (double)variance[c]) > 1e-5;
        const double scale = (double)how->weight[c] / sqrt(squares + (double)how->epsilon);
        for (size_t p = 0; p < how->pixels; ++p) {
            const size_t at = p * how->channels + c;
            double z = ((double)element(x, at, how->bfloat) - sum) * scale + (double)how->bias[c] +
                       (double)element(residual, at, how->bfloat);
            z = how->rectify && z < 0 ? 0 : z;
            const double limit = (how->bfloat ? 1.0 / 256 : 1e-5) * fmax(fabs(z), 1.0);
            wrong += fabs(z - (double)element(y, at, how->bfloat)) > limit;
        }
    }
    return wrong;
}

static int test_one(sb_isa isa, size_t pixels, size_t channels, bool bfloat, sb_team *team) {
    float weight[MOST_CHANNELS], bias[MOST_CHANNELS], mean[MOST_CHANNELS], variance[MOST_CHANNELS];
    for (size_t c = 0; c < channels; ++c) {
        weight[c] = 0.5f + 0.25f * (float)(c % 3);
        bias[c] = (float)(c % 5) - 2.0f;
    }
    const size_t count = pixels * channels;
    const sb_normalization how = {isa, pixels, channels, bfloat, true, 1e-5f, weight, bias, team};
    void *x = drawn(count, bfloat, 1), *residual = drawn(count, bfloat, 2);
    void *y = drawn(count, bfloat, 3), *gradient = drawn(count, bfloat, 4);
    int wrong = !x || !residual || !y || !gradient ||
                sb_normalize(&how, x, residual, y, mean, variance) != SB_OK;
    wrong = wrong || differ(&how, x, residual, y, mean, variance);
    /* In place of the residual's gradient and of the input's: nothing is read twice. */
    float of_weight[MOST_CHANNELS], of_bias[MOST_CHANNELS];
    const sb_normalized forward = {x, y, mean, variance};
    void *of_x = drawn(count, bfloat, 5), *of_residual = drawn(count, bfloat, 6);
    wrong = wrong || !of_x || !of_residual ||
            sb_normalize_backward(&how, &forward, gradient, of_x, of_residual, of_weight,
                                  of_bias) != SB_OK;
    for (size_t c = 0; !wrong && c < channels; ++c) {
        double sum = 0, given = 0;
        for (size_t p = 0; p < pixels; ++p) {
            const size_t at = p * channels + c;
            const bool passed = element(y, at, bfloat) > 0;
            const double g = passed ? (double)element(gradient, at, bfloat) : 0;
            wrong += (double)element(of_residual, at, bfloat) != g;
            sum += g;
            given += (double)element(of_x, at, bfloat);
        }
        /* What moves a whole channel changes nothing: its gradients sum to nothing. */
        wrong += fabs(sum - (double)of_bias[c]) > 1e-4 ||
                 fabs(given) > (bfloat ? 0.02 : 1e-4) * (double)pixels;
    }
    free(x), free(residual), free(y), free(gradient), free(of_x), free(of_residual);
    return wrong;
}

static int test_refusals(void) {
    float one = 1, out = 0;
    sb_normalization how = {SB_ISA_SCALAR, 1, 1, false, false, 1e-5f, &one, &one, NULL};
    int wrong = sb_normalize(NULL, &one, NULL, &out, &out, &out) != SB_INVALID_ARGUMENT;
    wrong += sb_normalize(&how, NULL, NULL, &out, &out, &out) != SB_INVALID_ARGUMENT;
    how.pixels = SIZE_MAX / 4;
    wrong += sb_normalize(&how, &one, NULL, &out, &out, &out) != SB_INVALID_ARGUMENT;
    how.pixels = 0;
    wrong += sb_normalize(&how, &one, NULL, &out, &out, &out) != SB_INVALID_ARGUMENT;
    how.pixels = 1;
    how.channels = (size_t)SB_MAX_NORMALIZED + 1;
    wrong += sb_normalize(&how, &one, NULL, &out, &out, &out) != SB_INVALID_ARGUMENT;
    wrong += sb_normalize_backward(&how, NULL, &one, &out, NULL, &out, &out) != SB_INVALID_ARGUMENT;
    return wrong;
}

int test_normalize(void) {
    static const size_t SHAPES[][2] = {{1, 1},  {2, 3},   {5, 16},  {21, 37},
                                       {19, 8}, {33, 12}, {17, 32}, {20, 10}};
    int wrong = test_refusals();
    sb_team *team = sb_team_create(2);
    for (int isa = 0; isa < SB_ISA_COUNT; ++isa) {
        sb_isa usable;
        if (sb_isa_resolve(sb_isa_name((sb_isa)isa), &usable) != SB_OK)
            continue;
        for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; ++i)
            for (int way = 0; way < 4; ++way)
                wrong +=
                    test_one(usable, SHAPES[i][0], SHAPES[i][1], way & 1, way & 2 ? team : NULL);
    }
    sb_team_free(team);
    if (wrong)
        fprintf(stderr, "normalize: %d wrong\n", wrong);
    return wrong;
}
