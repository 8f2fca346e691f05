/* y = W q for codes, weights of two or three values and few images: sums of 4 inputs by table.
 *
 * 4 inputs have 16 sums. They are made once per image, and 4 bits of a filter's weights choose the
 * one of its inputs; vpshufb chooses for 32 filters at once:
 *   weights 1 0 1 1   ->   entry 13   ->   low and high byte of q0 + q2 + q3
 * Sums are at most 4 * 255, so their high bytes are at most 3: those of 64 tables add up in 8 bits.
 * The low bytes of even and odd filters add up in 16: `all` gathers even + 256 odd mod 2^16, `odd`
 * the odd ones, so even = all - 256 odd.
 *
 * masks: [block of filters][sign][8 inputs][filter], see table_format.h; digits of sign 1 (-1 where
 * weights have three values) are subtracted. */
#ifndef SB_KERNELS_TABLE_LINEAR_H
#define SB_KERNELS_TABLE_LINEAR_H

#include "../epilogue_codes.h"
#include "table_format.h"

_Static_assert(SB_FILTERS == SB_TABLE_FILTERS, "bits are packed for so many filters");

#if defined(__AVX2__) && !defined(SB_PLAIN_C)
#include <immintrin.h>

enum { SB_TABLES_IN_FLIGHT = 32 }; /* pairs of them */

/* The low bytes, then the high bytes, of the 16 sums of 4 inputs: entry e holds input j where bit j
 * of e is set. */
static inline void sb_make_table(const uint16_t *inputs, uint8_t *table) {
    const __m256i entry = _mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m256i sums = _mm256_setzero_si256();
    for (int j = 0; j < 4; ++j) {
        const __m256i bit = _mm256_set1_epi16((int16_t)(1 << j));
        const __m256i chosen = _mm256_cmpeq_epi16(_mm256_and_si256(entry, bit), bit);
        const __m256i input = _mm256_set1_epi16((int16_t)inputs[j]);
        sums = _mm256_add_epi16(sums, _mm256_and_si256(chosen, input));
    }
    const __m256i low = _mm256_and_si256(sums, _mm256_set1_epi16(255));
    const __m256i bytes = _mm256_packus_epi16(low, _mm256_srli_epi16(sums, 8));
    _mm256_store_si256((__m256i *)(void *)table, _mm256_permute4x64_epi64(bytes, 0xd8));
}

/* Sums of 32 filters that have not been widened yet. */
typedef struct sb_table_sums {
    __m256i all, odd, high;
} sb_table_sums;

static inline __m256i sb_look_up(const uint8_t *table, __m256i entries) {
    const __m128i bytes = _mm_load_si128((const __m128i *)(const void *)table);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), entries);
}

/* 8 inputs: two tables. */
static inline void sb_add_tables(const uint8_t *masks, const uint8_t *tables, sb_table_sums *sums) {
    const __m256i bits = _mm256_load_si256((const __m256i *)(const void *)masks);
    const __m256i half = _mm256_set1_epi8(15);
    const __m256i first = _mm256_and_si256(bits, half);
    const __m256i second = _mm256_and_si256(_mm256_srli_epi16(bits, 4), half);
    const __m256i a = sb_look_up(tables, first), b = sb_look_up(tables + 32, second);
    const __m256i high =
        _mm256_add_epi8(sb_look_up(tables + 16, first), sb_look_up(tables + 48, second));
    const __m256i odd = _mm256_add_epi16(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8));
    sums->all = _mm256_add_epi16(sums->all, _mm256_add_epi16(a, b));
    sums->odd = _mm256_add_epi16(sums->odd, odd);
    sums->high = _mm256_add_epi8(sums->high, high);
}

static inline void sb_widen_tables(const sb_table_sums *flight, bool minus, int32_t *sums) {
    const __m256i low = _mm256_sub_epi16(flight->all, _mm256_slli_epi16(flight->odd, 8));
    const __m256i even_high = _mm256_slli_epi16(flight->high, 8);
    const __m256i odd_high = _mm256_andnot_si256(_mm256_set1_epi16(255), flight->high);
    const __m256i even = _mm256_add_epi16(low, even_high);
    const __m256i odd = _mm256_add_epi16(flight->odd, odd_high);
    const __m128i parts[] = {_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1),
                             _mm256_castsi256_si128(odd), _mm256_extracti128_si256(odd, 1)};
    for (int i = 0; i < 4; ++i) {
        __m256i *target = (__m256i *)(void *)sums + i;
        const __m256i wide = _mm256_cvtepu16_epi32(parts[i]), old = _mm256_load_si256(target);
        _mm256_store_si256(target,
                           minus ? _mm256_sub_epi32(old, wide) : _mm256_add_epi32(old, wide));
    }
}

/* Adds or subtracts one sign of a block of filters; sums: [SB_TABLE_FILTERS], 32-byte aligned. */
static inline void sb_sum_tables(const uint8_t *masks, const uint8_t *tables, size_t pairs,
                                 bool minus, int32_t *sums) {
    const __m256i zero = _mm256_setzero_si256();
    for (size_t begin = 0; begin < pairs; begin += SB_TABLES_IN_FLIGHT) {
        const size_t left = pairs - begin;
        const size_t end = begin + (left < SB_TABLES_IN_FLIGHT ? left : SB_TABLES_IN_FLIGHT);
        sb_table_sums flight = {zero, zero, zero};
        for (size_t i = begin; i < end; ++i)
            sb_add_tables(masks + i * SB_TABLE_FILTERS, tables + i * SB_TABLE_BYTES, &flight);
        sb_widen_tables(&flight, minus, sums);
    }
}

#else

static inline void sb_make_table(const uint16_t *inputs, uint8_t *table) {
    for (unsigned entry = 0; entry < 16; ++entry) {
        unsigned sum = 0;
        for (int j = 0; j < 4; ++j)
            sum += entry >> j & 1 ? inputs[j] : 0u;
        table[entry] = (uint8_t)sum;
        table[16 + entry] = (uint8_t)(sum >> 8);
    }
}

static inline void sb_sum_tables(const uint8_t *masks, const uint8_t *tables, size_t pairs,
                                 bool minus, int32_t *sums) {
    for (size_t i = 0; i < pairs; ++i, tables += SB_TABLE_BYTES)
        for (int32_t byte = 0; byte < SB_TABLE_FILTERS; ++byte, ++masks) {
            const uint8_t *first = tables + (*masks & 15), *second = tables + 32 + (*masks >> 4);
            const int32_t sum = first[0] + second[0] + 256 * (first[16] + second[16]);
            sums[sb_table_filter(byte)] += minus ? -sum : sum;
        }
}

#endif

/* Tables of one image, inputs that are not there 0; returns the sum of its codes. */
static inline int32_t sb_make_tables(const uint16_t *codes, size_t channels, uint8_t *tables) {
    int32_t total = 0;
    for (size_t c = 0; c < channels; c += SB_TABLE_INPUTS, tables += SB_TABLE_BYTES) {
        uint16_t inputs[SB_TABLE_INPUTS] = {0};
        for (size_t j = 0; j < SB_TABLE_INPUTS && c + j < channels; ++j) {
            inputs[j] = codes[c + j];
            total += codes[c + j];
        }
        sb_make_table(inputs, tables);
        sb_make_table(inputs + 4, tables + 32);
    }
    return total;
}

/* All filters of a block for image n. */
static inline void sb_table_block(const sb_layer *layer, const sb_operands *operands, size_t block,
                                  size_t n, int32_t total) {
    const sb_table_weights *weights = &layer->tables;
    const size_t filters = (size_t)layer->geometry.out_channels;
    const size_t pairs =
        ((size_t)layer->geometry.in_channels + SB_TABLE_INPUTS - 1) / SB_TABLE_INPUTS;
    const size_t first = block * SB_TABLE_FILTERS, signs = (size_t)weights->signs;
    int32_t room[SB_TABLE_FILTERS + 8] = {0}; /* for 32-byte alignment, which C99 cannot ask for */
    int32_t *sums = room + (32 - (uintptr_t)room % 32) % 32 / sizeof *room;
    for (size_t sign = 0; sign < signs; ++sign)
        sb_sum_tables(weights->masks + (block * signs + sign) * pairs * SB_TABLE_FILTERS,
                      operands->scratch, pairs, sign == 1, sums);
    for (size_t f = 0; f < SB_TABLE_FILTERS && first + f < filters; ++f)
        sb_finish_sum(layer, operands, first + f, n * filters + first + f, sums[f], total);
}

static inline void sb_table_linear(const sb_layer *layer, const sb_operands *operands) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    const size_t filters = (size_t)layer->geometry.out_channels;
    const uint16_t *codes = operands->input;
    size_t begin, end;
    sb_take_share(operands, (filters + SB_TABLE_FILTERS - 1) / SB_TABLE_FILTERS, &begin, &end);
    for (size_t n = 0; n < operands->batch && begin < end; ++n) {
        const int32_t total = sb_make_tables(codes + n * channels, channels, operands->scratch);
        for (size_t block = begin; block < end; ++block)
            sb_table_block(layer, operands, block, n, total);
    }
}

#endif
