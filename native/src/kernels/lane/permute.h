/* Lanes of one vector moved into another. Define SB_LANES before including. */
#ifndef SB_KERNELS_PERMUTE_H
#define SB_KERNELS_PERMUTE_H

#include "lane_vector.h"

#include <stdbool.h>
#include <string.h>

#if defined(SB_CODES)
#if !defined(SB_PLAIN_C) && SB_LANES == 16 && defined(__AVX512BW__) && defined(__AVX512VL__)
#define SB_PERMUTES_WORDS 1
#elif !defined(SB_PLAIN_C) && SB_LANES == 16 && defined(__AVX2__)
#define SB_PERMUTES_CODES 1
#elif defined(SB_NEON_CODES)
#define SB_PERMUTES_BYTES 1
#endif
#elif !defined(SB_PLAIN_C) && SB_LANES == 8 && defined(__AVX2__)
#include <immintrin.h>
#define SB_PERMUTES_YMM 1
#elif !defined(SB_PLAIN_C) && SB_LANES == 16 && defined(__AVX512DQ__)
#include <immintrin.h>
#define SB_PERMUTES_ZMM 1
#endif

/* Lane l takes lane source[l]; where that is negative it keeps what it has. */
typedef struct sb_lane_moves {
    int32_t source[SB_LANES];
} sb_lane_moves;

#if defined(SB_PERMUTES_YMM)

typedef __m256i sb_permutation;
SB_INLINE sb_permutation sb_prepare_moves(const sb_lane_moves *moves) {
    return _mm256_loadu_si256((const __m256i *)(const void *)moves->source);
}
SB_INLINE sb_stored sb_take_lanes(sb_permutation moves, sb_stored source, sb_stored kept) {
    return (sb_stored)_mm256_blendv_ps(_mm256_permutevar8x32_ps((__m256)source, moves),
                                       (__m256)kept, _mm256_castsi256_ps(moves));
}

#elif defined(SB_PERMUTES_ZMM)

typedef struct sb_permutation {
    __m512i index;
    __mmask16 moved;
} sb_permutation;
SB_INLINE sb_permutation sb_prepare_moves(const sb_lane_moves *moves) {
    const __m512i index = _mm512_loadu_si512(moves->source);
    return (sb_permutation){index, (__mmask16)~_mm512_movepi32_mask(index)};
}
SB_INLINE sb_stored sb_take_lanes(sb_permutation moves, sb_stored source, sb_stored kept) {
    return (sb_stored)_mm512_mask_permutexvar_ps((__m512)kept, moves.moved, moves.index,
                                                 (__m512)source);
}

#elif defined(SB_PERMUTES_WORDS)

typedef struct sb_permutation {
    __m256i index;
    __mmask16 moved;
} sb_permutation;
SB_INLINE sb_permutation sb_prepare_moves(const sb_lane_moves *moves) {
    const __m512i source = _mm512_loadu_si512(moves->source);
    return (sb_permutation){_mm512_cvtepi32_epi16(source),
                            (__mmask16)~_mm512_movepi32_mask(source)};
}
SB_INLINE sb_stored sb_take_lanes(sb_permutation moves, sb_stored source, sb_stored kept) {
    return (sb_stored)_mm256_mask_permutexvar_epi16((__m256i)kept, moves.moved, moves.index,
                                                    (__m256i)source);
}

#elif defined(SB_PERMUTES_CODES)

/* Bytes of a code's source within its own half of the vector and within the other half (0x80 gives
 * zero), and all ones in the lanes that keep what they have. */
typedef struct sb_permutation {
    __m256i own, other, kept;
} sb_permutation;
SB_INLINE sb_permutation sb_prepare_moves(const sb_lane_moves *moves) {
    const __m256i *source = (const __m256i *)(const void *)moves->source;
    const __m256i from = _mm256_permute4x64_epi64(
        _mm256_packs_epi32(_mm256_loadu_si256(source), _mm256_loadu_si256(source + 1)), 0xd8);
    const __m256i half = _mm256_setr_epi16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const __m256i same = _mm256_cmpeq_epi16(_mm256_srai_epi16(from, 3), half);
    const __m256i kept = _mm256_srai_epi16(from, 15), nowhere = _mm256_set1_epi8((char)0x80);
    const __m256i low = _mm256_slli_epi16(_mm256_and_si256(from, _mm256_set1_epi16(7)), 1);
    const __m256i bytes =
        _mm256_or_si256(low, _mm256_slli_epi16(_mm256_add_epi16(low, _mm256_set1_epi16(1)), 8));
    return (sb_permutation){_mm256_blendv_epi8(nowhere, bytes, same),
                            _mm256_blendv_epi8(bytes, nowhere, _mm256_or_si256(same, kept)), kept};
}
SB_INLINE sb_stored sb_take_lanes(sb_permutation moves, sb_stored source, sb_stored kept) {
    const __m256i halves = (__m256i)source;
    const __m256i swapped = _mm256_permute4x64_epi64(halves, 0x4e);
    const __m256i moved = _mm256_or_si256(_mm256_shuffle_epi8(halves, moves.own),
                                          _mm256_shuffle_epi8(swapped, moves.other));
    return (sb_stored)_mm256_blendv_epi8(moved, (__m256i)kept, moves.kept);
}

#elif defined(SB_PERMUTES_BYTES)

/* A number beyond the 16 lanes leaves a lane as it is. */
typedef uint8x16_t sb_permutation;
SB_INLINE sb_permutation sb_prepare_moves(const sb_lane_moves *moves) {
    uint8_t source[SB_LANES];
    for (int lane = 0; lane < SB_LANES; ++lane)
        source[lane] = moves->source[lane] < 0 ? UINT8_MAX : (uint8_t)moves->source[lane];
    return vld1q_u8(source);
}
SB_INLINE sb_stored sb_take_lanes(sb_permutation moves, sb_stored source, sb_stored kept) {
    return (sb_stored)vqtbx1q_u8((uint8x16_t)kept, (uint8x16_t)source, moves);
}

#else

typedef sb_lane_moves sb_permutation;
SB_INLINE sb_permutation sb_prepare_moves(const sb_lane_moves *moves) {
    return *moves;
}
SB_INLINE sb_stored sb_take_lanes(sb_permutation moves, sb_stored source, sb_stored kept) {
    sb_element from[SB_LANES], to[SB_LANES];
    memcpy(from, &source, sizeof from);
    memcpy(to, &kept, sizeof to);
    for (int lane = 0; lane < SB_LANES; ++lane)
        if (moves.source[lane] >= 0)
            to[lane] = from[moves.source[lane]];
    memcpy(&kept, to, sizeof to);
    return kept;
}

#endif

#endif
