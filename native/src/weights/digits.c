#include "digits.h"

typedef struct sb_signs {
    bool minus, zero, plus;
} sb_signs;

static sb_signs signs_of(const sb_code_spec *spec, int32_t filter) {
    sb_signs signs = {false, false, false};
    for (size_t i = 0; i < spec->taps; ++i) {
        const int8_t code = spec->codes[(size_t)filter * spec->taps + i];
        signs.minus |= code < 0;
        signs.zero |= code == 0;
        signs.plus |= code > 0;
    }
    return signs;
}

int32_t sb_pack_radix(const sb_code_spec *spec) {
    for (int32_t k = 0; k < spec->filters; ++k) {
        const sb_signs signs = signs_of(spec, k);
        if (signs.minus && signs.zero && signs.plus)
            return 3;
    }
    return 2;
}

/* Filters of radix 2 are binary, of one sign, or empty. */
static bool is_binary(const sb_signs *signs, int32_t radix) {
    return radix == 2 && signs->minus && signs->plus;
}

static bool is_negative(const sb_signs *signs, int32_t radix) {
    return radix == 2 && signs->minus && !signs->plus;
}

void sb_pack_digits(const sb_code_spec *spec, int32_t radix, int8_t *digits) {
    for (int32_t k = 0; k < spec->filters; ++k) {
        const sb_signs signs = signs_of(spec, k);
        const bool binary = is_binary(&signs, radix), negative = is_negative(&signs, radix);
        for (size_t i = 0; i < spec->taps; ++i) {
            const int8_t code = spec->codes[(size_t)k * spec->taps + i];
            digits[(size_t)k * spec->taps + i] = (int8_t)(binary     ? code > 0
                                                          : negative ? -code
                                                                     : code);
        }
    }
}

void sb_pack_factors(const sb_code_spec *spec, int32_t radix, float *factor, float *shift) {
    for (int32_t k = 0; k < spec->filters; ++k) {
        const sb_signs signs = signs_of(spec, k);
        const float scale = spec->scale[k], offset = spec->offset ? spec->offset[k] : 0.0f;
        factor[k] = is_binary(&signs, radix)     ? 2.0f * scale
                    : is_negative(&signs, radix) ? -scale
                                                 : scale;
        shift[k] = is_binary(&signs, radix) ? offset - scale : offset;
    }
}

/* Of one sign: A = S - zero * sum(codes) for +1; -S = ~S + 1 in place of S for -1. */
bool sb_pack_sums(const sb_code_spec *spec, int32_t radix, int32_t zero, int32_t *flip,
                  int32_t *twice, int32_t *shift) {
    bool any = false;
    for (int32_t k = 0; k < spec->filters; ++k) {
        const sb_signs signs = signs_of(spec, k);
        int32_t sum = 0;
        for (size_t i = 0; i < spec->taps; ++i)
            sum += spec->codes[(size_t)k * spec->taps + i];
        flip[k] = is_negative(&signs, radix) ? -1 : 0;
        twice[k] = is_binary(&signs, radix) ? -1 : 0;
        shift[k] = -flip[k] - zero * sum;
        any |= is_binary(&signs, radix);
    }
    return any;
}

sb_code_spec sb_filter_of(const sb_code_spec *codes, int32_t k) {
    return (sb_code_spec){.codes = codes->codes + (size_t)k * codes->taps,
                          .scale = codes->scale + k,
                          .offset = codes->offset ? codes->offset + k : NULL,
                          .taps = codes->taps,
                          .filters = 1};
}

int32_t sb_radix_of(const sb_code_spec *filter, sb_walk_mode mode) {
    bool plus = false, minus = false;
    for (size_t i = 0; i < filter->taps; ++i) {
        plus |= filter->codes[i] > 0;
        minus |= filter->codes[i] < 0;
    }
    return mode == SB_WALK_TWO_GROUPS && plus && minus ? 3 : sb_pack_radix(filter);
}
