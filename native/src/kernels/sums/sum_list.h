/* A packed list of shared sums, over V vectors of output pixels.
 *
 * A segment computes temporaries, each kept in a slot of scratch, and parts of filters' sums. Its
 * words come in runs of one kind, so that the loop over a run does not branch on what it adds:
 *
 *   run       kind, count, then `count` times:
 *   pairs     left, right, slot            slot = left +- right; inputs, slots or one of each
 *   kept      slot, lists                  slot = sum of the lists
 *   filters   low, high, flags, lift, lists    the filter's number; bit 0 opens, bit 1 closes
 *   lists     how many inputs to add, inputs to subtract, slots to add, slots to subtract; then
 *             these operands in this order
 *   end       the segment is done
 *
 * An input is an offset in vectors from the segment's base. Example, t = x0 + x7; y3 = t - x2, the
 * only part of filter 3: PAIR_INPUTS 1 | 0 7 0 | FILTERS 1 | 3 0 3 0 | 0 1 1 0 | 2 | 0 | END.
 * Within a segment runs follow the depth of what they compute: everything of depth 1, of depth 2
 * and so on, filters last; slots are taken over once nothing needs them.
 *
 * Define SB_LANES and SB_VECTORS before including. */
#ifndef SB_KERNELS_SUM_LIST_H
#define SB_KERNELS_SUM_LIST_H

#include "../kernel.h"
#include "../lane/lane_vector.h"
#include "../tally.h"
#include "sum_words.h"

/* Where operands lie, slots holding sums as vectors do, and the words to read next. */
typedef struct sb_sums_reader {
    const sb_element *windows[SB_VECTORS];
    sb_lane *slots;
    const uint16_t *words;
} sb_sums_reader;

SB_INLINE sb_vector sb_sums_operand(const sb_sums_reader *reader, uint32_t word, bool slot, int v) {
    return slot ? SB_LOAD_LANES(reader->slots + ((size_t)word * SB_VECTORS + (size_t)v) * SB_LANES)
                : SB_LOAD(reader->windows[v] + (size_t)word * SB_LANES);
}

/* A run of pairs. The two flags and the sign are constants where this is inlined. */
SB_INLINE void sb_sums_pairs(sb_sums_reader *reader, bool left_slot, bool right_slot,
                             bool subtract) {
    const uint16_t *words = reader->words + 2;
    for (uint32_t left = reader->words[1]; left; --left, words += 3) {
        SB_TALLY(1);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v) {
            const sb_vector a = sb_sums_operand(reader, words[0], left_slot, v);
            const sb_vector b = sb_sums_operand(reader, words[1], right_slot, v);
            SB_STORE_LANES(reader->slots + ((size_t)words[2] * SB_VECTORS + (size_t)v) * SB_LANES,
                           subtract ? SB_SUBTRACT(a, b) : SB_ADD(a, b));
        }
    }
    reader->words = words;
}

SB_INLINE const uint16_t *sb_sums_list(const sb_sums_reader *reader, const uint16_t *words,
                                       uint32_t count, bool slot, bool subtract, sb_vector *sum) {
    for (; count; --count, ++words) {
        SB_TALLY(1);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v) {
            const sb_vector x = sb_sums_operand(reader, *words, slot, v);
            sum[v] = subtract ? SB_SUBTRACT(sum[v], x) : SB_ADD(sum[v], x);
        }
    }
    return words;
}

/* Sums four lists; the first operand that is added is where the sum starts. */
SB_INLINE const uint16_t *sb_sums_lists(const sb_sums_reader *reader, const uint16_t *words,
                                        sb_vector *sum) {
    uint32_t inputs = words[0], slots = words[2];
    const uint32_t less_inputs = words[1], less_slots = words[3];
    words += 4;
    const bool from_slot = !inputs && slots;
    if (!inputs && !slots) {
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            sum[v] = SB_BROADCAST(0);
    } else {
        /* Slots stand behind the inputs to subtract. */
        const uint16_t first = words[from_slot ? less_inputs : 0];
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            sum[v] = sb_sums_operand(reader, first, from_slot, v);
    }
    if (inputs)
        words = sb_sums_list(reader, words + 1, inputs - 1, false, false, sum);
    words = sb_sums_list(reader, words, less_inputs, false, true, sum);
    if (from_slot) {
        ++words;
        --slots;
    }
    words = sb_sums_list(reader, words, slots, true, false, sum);
    return sb_sums_list(reader, words, less_slots, true, true, sum);
}

SB_INLINE void sb_sums_kept(sb_sums_reader *reader) {
    const uint16_t *words = reader->words + 2;
    for (uint32_t left = reader->words[1]; left; --left) {
        sb_lane *slot = reader->slots + (size_t)*words * SB_VECTORS * SB_LANES;
        sb_vector sum[SB_VECTORS];
        words = sb_sums_lists(reader, words + 1, sum);
        SB_UNROLL
        for (int v = 0; v < SB_VECTORS; ++v)
            SB_STORE_LANES(slot + v * SB_LANES, sum[v]);
    }
    reader->words = words;
}

/* The next filter of a run of filters: its sum, and what is to be done with it as a walk of one
 * filter. */
SB_INLINE void sb_sums_filter(sb_sums_reader *reader, sb_bucket_group *group, sb_vector *sum) {
    const uint16_t *words = reader->words;
    group->filter[0] = (int32_t)((uint32_t)words[0] | (uint32_t)words[1] << 16);
    group->opens = (uint8_t)(words[2] & SB_SUMS_OPENS);
    group->closes = (uint8_t)(words[2] >> 1 & 1);
    group->lift[0] = words[3];
    reader->words = sb_sums_lists(reader, words + 4, sum);
}

/* Runs up to the next one of filters, whose length is returned; 0 at the end. */
SB_INLINE uint32_t sb_sums_advance(sb_sums_reader *reader) {
    for (;;)
        switch (reader->words[0]) {
        case SB_SUMS_ADD_INPUTS:
            sb_sums_pairs(reader, false, false, false);
            break;
        case SB_SUMS_ADD_INPUT_SLOT:
            sb_sums_pairs(reader, false, true, false);
            break;
        case SB_SUMS_ADD_SLOTS:
            sb_sums_pairs(reader, true, true, false);
            break;
        case SB_SUMS_SUBTRACT_INPUTS:
            sb_sums_pairs(reader, false, false, true);
            break;
        case SB_SUMS_SUBTRACT_INPUT_SLOT:
            sb_sums_pairs(reader, false, true, true);
            break;
        case SB_SUMS_SUBTRACT_SLOT_INPUT:
            sb_sums_pairs(reader, true, false, true);
            break;
        case SB_SUMS_SUBTRACT_SLOTS:
            sb_sums_pairs(reader, true, true, true);
            break;
        case SB_SUMS_KEPT:
            sb_sums_kept(reader);
            break;
        case SB_SUMS_FILTERS:
            reader->words += 2;
            return reader->words[-1];
        default:
            return 0;
        }
}

#endif
