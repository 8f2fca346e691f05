/* SB_LANES floats at once; with SB_CODES defined, codes (lane_codes.h). Define SB_LANES before
 * including. sb_element is what a value holds in memory, sb_stored SB_LANES of them as they lie
 * (SB_FETCH, SB_PUT); sb_lane is what is computed with, sb_vector all lanes (SB_LOAD, SB_STORE).
 * For floats both are the same.
 * With GCC and Clang a vector type, which they map to whatever registers the file is compiled for;
 * elsewhere, and with SB_PLAIN_C, a struct with loops. Vectors never cross a function that is not
 * inlined. */
#ifndef SB_KERNELS_LANE_VECTOR_H
#define SB_KERNELS_LANE_VECTOR_H

#include <stdint.h>

#if defined(__clang__)
#define SB_UNROLL _Pragma("unroll 16")
#elif defined(__GNUC__)
#define SB_UNROLL _Pragma("GCC unroll 16")
#else
#define SB_UNROLL
#endif

#if defined(__GNUC__)
#define SB_INLINE static inline __attribute__((always_inline))
#define SB_NOINLINE static __attribute__((noinline))
#else
#define SB_INLINE static inline
#define SB_NOINLINE static
#endif

#ifdef SB_CODES
#include "lane_codes.h"
#else

typedef float sb_element;
typedef float sb_lane;
#if SB_LANES == 1

typedef float sb_vector;
#define SB_BROADCAST(value) (value)
#define SB_SELECT_LESS(a, b, yes, no) ((a) < (b) ? (yes) : (no))
#define SB_SELECT_NUMBER(a, yes, no) ((a) == (a) ? (yes) : (no))

#elif defined(__GNUC__) && !defined(SB_PLAIN_C)

typedef float sb_vector __attribute__((vector_size(SB_LANES * sizeof(float)), may_alias));
typedef int32_t sb_mask __attribute__((vector_size(SB_LANES * sizeof(float))));
#if SB_LANES == 4
#define SB_BROADCAST(value) ((sb_vector){(value), (value), (value), (value)})
#elif SB_LANES == 8
#define SB_BROADCAST(value)                                                                        \
    ((sb_vector){(value), (value), (value), (value), (value), (value), (value), (value)})
#elif SB_LANES == 16
#define SB_BROADCAST(value)                                                                        \
    ((sb_vector){(value), (value), (value), (value), (value), (value), (value), (value), (value),  \
                 (value), (value), (value), (value), (value), (value), (value)})
#endif
SB_INLINE sb_vector sb_select(sb_mask mask, sb_vector yes, sb_vector no) {
    return (sb_vector)((mask & (sb_mask)yes) | (~mask & (sb_mask)no));
}
/* a < b ? yes : no; a is no NaN ? yes : no. */
#define SB_SELECT_LESS(a, b, yes, no) sb_select((sb_mask)((a) < (b)), yes, no)
#define SB_SELECT_NUMBER(a, yes, no) sb_select((sb_mask)((a) == (a)), yes, no)

#else

#define SB_VECTOR_IS_STRUCT 1
typedef struct sb_vector {
    float lane[SB_LANES];
} sb_vector;
#define SB_LANE_LOOP(name, expression)                                                             \
    SB_INLINE sb_vector name(sb_vector a, sb_vector b) {                                           \
        for (int i = 0; i < SB_LANES; ++i)                                                         \
            a.lane[i] = (expression);                                                              \
        return a;                                                                                  \
    }
SB_LANE_LOOP(SB_ADD, a.lane[i] + b.lane[i])
SB_LANE_LOOP(SB_SUBTRACT, a.lane[i] - b.lane[i])
SB_LANE_LOOP(SB_MULTIPLY, a.lane[i] * b.lane[i])
SB_LANE_LOOP(SB_DIVIDE, a.lane[i] / b.lane[i])
SB_INLINE sb_vector SB_BROADCAST(float value) {
    sb_vector result;
    for (int i = 0; i < SB_LANES; ++i)
        result.lane[i] = value;
    return result;
}
SB_INLINE sb_vector SB_LOAD(const float *address) {
    sb_vector result;
    for (int i = 0; i < SB_LANES; ++i)
        result.lane[i] = address[i];
    return result;
}
SB_INLINE void SB_STORE(float *address, sb_vector value) {
    for (int i = 0; i < SB_LANES; ++i)
        address[i] = value.lane[i];
}
SB_INLINE sb_vector SB_SELECT_LESS(sb_vector a, sb_vector b, sb_vector yes, sb_vector no) {
    for (int i = 0; i < SB_LANES; ++i)
        no.lane[i] = a.lane[i] < b.lane[i] ? yes.lane[i] : no.lane[i];
    return no;
}
SB_INLINE sb_vector SB_SELECT_NUMBER(sb_vector a, sb_vector yes, sb_vector no) {
    for (int i = 0; i < SB_LANES; ++i)
        no.lane[i] = a.lane[i] == a.lane[i] ? yes.lane[i] : no.lane[i];
    return no;
}

#endif

#ifndef SB_VECTOR_IS_STRUCT
#define SB_ADD(a, b) ((a) + (b))
#define SB_SUBTRACT(a, b) ((a) - (b))
#define SB_MULTIPLY(a, b) ((a) * (b))
#define SB_DIVIDE(a, b) ((a) / (b))
#define SB_LOAD(address) (*(const sb_vector *)(address))
#define SB_STORE(address, value) (*(sb_vector *)(address) = (value))
#endif

typedef sb_vector sb_stored;
#define SB_FILL(value) SB_BROADCAST(value)
#define SB_FETCH(address) SB_LOAD(address)
#define SB_PUT(address, value) SB_STORE(address, value)
#define SB_LOAD_LANES(address) SB_LOAD(address)
#define SB_STORE_LANES(address, value) SB_STORE(address, value)

/* The greater one; NaN wins over every number. */
SB_INLINE sb_vector sb_greater(sb_vector best, sb_vector value) {
    best = SB_SELECT_LESS(best, value, value, best);
    return SB_SELECT_NUMBER(value, best, value);
}

#endif

/* A sum and what lies at an address: added, subtracted. */
#ifndef SB_ADD_FROM
#define SB_ADD_FROM(sum, address) SB_ADD(sum, SB_LOAD(address))
#define SB_SUBTRACT_FROM(sum, address) SB_SUBTRACT(sum, SB_LOAD(address))
#endif

#endif
