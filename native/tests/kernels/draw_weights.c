/* Weights of every kind. */
#include "draw.h"

#include <math.h>
#include <string.h>

typedef enum value_set { SIGNED_BINARY, BINARY, TERNARY, CENTRED, VALUE_SETS } value_set;
static const char *const NAMES[VALUE_SETS] = {"signed-binary", "binary", "ternary", "centred"};

static int8_t draw_code(check_random *random, value_set set, bool negative, int32_t density) {
    const bool sign = set == SIGNED_BINARY || set == CENTRED ? negative : check_chance(random, 50);
    if (set != BINARY && !check_chance(random, density))
        return 0;
    return sign ? -1 : 1;
}

static int8_t *draw_codes(check_network *network, value_set set, size_t filters, size_t taps) {
    check_random *random = &network->random;
    const int32_t densities[] = {0, 5, 35, 35, 70, 100};
    const int32_t density = densities[check_between(random, 0, 5)];
    int8_t *codes = check_take(filters * taps, 1);
    check_say(network, ", %s, density %d", NAMES[set], density);
    for (size_t i = 0; i < filters * taps; ++i)
        codes[i] = draw_code(random, set, i / taps % 2, density);
    return codes;
}

/* What is summed of codes in a list of sums, as sb_tile_spec.mode reads them. */
static int8_t *digits_of(const int8_t *codes, size_t filters, size_t taps, bool two_groups) {
    int8_t *digits = check_take(filters * taps, 1);
    for (size_t k = 0; k < filters; ++k, codes += taps, digits += taps) {
        bool zero = false, plus = false, minus = false;
        for (size_t i = 0; i < taps; ++i) {
            zero |= !codes[i];
            plus |= codes[i] > 0;
            minus |= codes[i] < 0;
        }
        const bool whole = (plus && minus && zero) || (plus && minus && two_groups);
        for (size_t i = 0; i < taps; ++i)
            digits[i] = whole ? codes[i] : plus && minus ? codes[i] > 0 : codes[i] != 0;
    }
    return digits - filters * taps;
}

static void draw_tile(const sb_kernel_info *row, check_random *random, value_set set,
                      sb_tile_spec *tile) {
    const int32_t chance = check_between(random, 1, 100);
    tile->mode = SB_WALK_DEFAULT;
    if (chance > 80 && row->strategy == SB_STRATEGY_BUCKET)
        tile->mode = SB_WALK_ZEROS;
    if (chance > 90 && set != CENTRED)
        tile->mode = SB_WALK_TWO_GROUPS;
    if (row->strategy == SB_STRATEGY_TABLE)
        tile->mode = SB_WALK_DEFAULT;
    tile->filters = check_between(
        random, 1, set == TERNARY || tile->mode == SB_WALK_TWO_GROUPS ? 5 : SB_MAX_FILTERS);
    tile->vectors = row->vectors;
    tile->chunk = check_extent(random, 80);
    tile->generated = row->together > 0;
}

/* Permutations of the filters, the same in all chunks of a linear layer. */
static void draw_order(check_random *random, int32_t groups, const int32_t shape[4], bool linear,
                       const sb_tile_spec *tile, sb_order *order) {
    const int32_t filters = shape[0] / groups;
    const int32_t chunks = (shape[1] + tile->chunk - 1) / tile->chunk;
    const size_t rows = (size_t)groups * (size_t)chunks, count = rows * (size_t)filters;
    int32_t *drawn = check_take(count, sizeof *drawn);
    for (size_t row = 0; row < rows; ++row) {
        int32_t *permutation = drawn + row * (size_t)filters;
        for (int32_t i = 0; i < filters; ++i) {
            const int32_t other = check_between(random, 0, i);
            permutation[i] = permutation[other];
            permutation[other] = i;
        }
        if (linear && row)
            memcpy(permutation, drawn, (size_t)filters * sizeof *drawn);
    }
    *order = (sb_order){drawn, count};
}

/* Dense layers: any floats, or whole numbers of up to 6 bits and a sign. */
static void draw_dense(const sb_kernel_info *row, check_random *random, size_t count,
                       sb_weight_spec *weight) {
    if (row->type == SB_TYPE_F32) {
        weight->values = (sb_floats){check_draw_floats(random, count, -1.0f, 1.0f), count};
        return;
    }
    const int32_t most = check_chance(random, 70) ? SB_MAX_INTEGER : 3;
    const bool extreme = check_chance(random, 20);
    int8_t *integers = check_take(count, 1);
    for (size_t i = 0; i < count; ++i)
        integers[i] = (int8_t)(extreme ? (check_chance(random, 90) ? most : -most)
                                       : check_between(random, -most, most));
    weight->integers = (sb_codes){integers, count};
}

/* Scales that bring sums of codes to the size of codes. */
static float unit_of(const sb_kernel_info *row, size_t taps) {
    const float most = row->strategy == SB_STRATEGY_DENSE ? 30.0f : 1.0f;
    return row->type == SB_TYPE_U8 ? 1.0f / (most * sqrtf((float)taps)) : 1.0f;
}

void check_draw_weights(const sb_kernel_info *row, check_network *network, int32_t groups,
                        const int32_t shape[4], sb_weight_spec *weight) {
    check_random *random = &network->random;
    const size_t filters = (size_t)shape[0];
    const size_t taps = (size_t)shape[1] * (size_t)shape[2] * (size_t)shape[3];
    const bool linear = strstr(row->op, "linear");
    const value_set set = (value_set)check_between(random, 0, VALUE_SETS - 1);
    const float unit = unit_of(row, taps);
    weight->strategy = row->strategy;
    if (row->strategy != SB_STRATEGY_DENSE || row->type == SB_TYPE_U8)
        weight->scale =
            (sb_floats){check_draw_floats(random, filters, -2 * unit, 2 * unit), filters};
    if (set == CENTRED && weight->scale.data)
        weight->offset = (sb_floats){check_draw_floats(random, filters, -unit, unit), filters};
    if (row->strategy == SB_STRATEGY_DENSE) {
        draw_dense(row, random, filters * taps, weight);
        return;
    }
    draw_tile(row, random, set, &weight->tile);
    weight->codes = (sb_codes){draw_codes(network, set, filters, taps), filters * taps};
    check_say(network, ", tile f%dv%d, chunk %d, mode %d", weight->tile.filters,
              weight->tile.vectors, weight->tile.chunk, (int)weight->tile.mode);
    if (row->strategy == SB_STRATEGY_BUCKET && check_chance(random, 40))
        draw_order(random, groups, shape, linear, &weight->tile, &weight->order);
    if (row->strategy == SB_STRATEGY_SUMS)
        weight->sums = check_draw_sums(
            random,
            digits_of(weight->codes.data, filters, taps, weight->tile.mode == SB_WALK_TWO_GROUPS),
            groups, shape[0] / groups, (int32_t)taps);
}

/* ---- lists of shared sums -------------------------------------------------------------------- */

/* A list in the making. digits: of the segment's filters, [filters][taps], and what is left of them
 * to be summed. */
typedef struct list_maker {
    check_random *random;
    int8_t *left;
    int32_t *starts, *operands, *roles, *segments;
    int32_t nodes, operand_count, segment_count;
    int32_t filters, taps;
} list_maker;

static void add_operand(list_maker *maker, int32_t index, bool minus) {
    maker->operands[maker->operand_count++] = 2 * index + minus;
}

static void end_node(list_maker *maker, int32_t role) {
    maker->roles[maker->nodes++] = role;
    maker->starts[maker->nodes] = maker->operand_count;
}

/* Two inputs within [begin, end) that a filter sums become a node of their own, for all filters
 * that sum them alike; uses[filter]: with which sign. false where there are no two. */
static bool share_pair(list_maker *maker, int32_t begin, int32_t end, int8_t *uses) {
    int8_t *row = maker->left + check_between(maker->random, 0, maker->filters - 1) * maker->taps;
    int32_t a = begin, b;
    while (a < end && !row[a])
        ++a;
    for (b = a + 1; b < end && !row[b];)
        ++b;
    if (b >= end)
        return false;
    const int8_t first = row[a], second = row[b];
    add_operand(maker, a, false);
    add_operand(maker, b, first != second);
    end_node(maker, -1);
    for (int32_t k = 0; k < maker->filters; ++k) {
        int8_t *digits = maker->left + k * maker->taps;
        uses[k] = 0;
        if (!digits[a] || digits[a] * first != digits[b] * second)
            continue;
        uses[k] = digits[a];
        digits[a] = digits[b] = 0;
    }
    return true;
}

enum { MOST_PAIRS = 6 };

/* The inputs [begin, end) of all filters of a convolution group. */
static void add_segment(list_maker *maker, int32_t group, int32_t begin, int32_t end) {
    int8_t *uses = check_take((size_t)(MOST_PAIRS * maker->filters), 1);
    const int32_t first = maker->nodes, wanted = check_between(maker->random, 0, MOST_PAIRS);
    int32_t pairs = 0;
    while (pairs < wanted && share_pair(maker, begin, end, uses + pairs * maker->filters))
        ++pairs;
    for (int32_t k = 0; k < maker->filters; ++k) {
        const int32_t before = maker->operand_count;
        const int8_t *digits = maker->left + k * maker->taps;
        for (int32_t pair = 0; pair < pairs; ++pair)
            if (uses[pair * maker->filters + k])
                add_operand(maker, maker->taps + first + pair, uses[pair * maker->filters + k] < 0);
        for (int32_t i = begin; i < end; ++i)
            if (digits[i])
                add_operand(maker, i, digits[i] < 0);
        if (maker->operand_count > before)
            end_node(maker, group * maker->filters + k);
    }
    if (maker->nodes > first)
        maker->segments[++maker->segment_count] = maker->nodes;
}

const sb_sum_list *check_draw_sums(check_random *random, const int8_t *digits, int32_t groups,
                                   int32_t filters, int32_t taps) {
    const size_t all = (size_t)groups * (size_t)filters * (size_t)taps;
    const size_t nodes = 2 * (size_t)groups * (size_t)(filters + MOST_PAIRS) + 1;
    int8_t *left = check_take(all, 1);
    list_maker maker = {.random = random,
                        .starts = check_take(nodes + 1, sizeof(int32_t)),
                        .operands = check_take(2 * all + 2 * nodes, sizeof(int32_t)),
                        .roles = check_take(nodes, sizeof(int32_t)),
                        .segments = check_take(2 * (size_t)groups + 1, sizeof(int32_t)),
                        .filters = filters,
                        .taps = taps};
    memcpy(left, digits, all);
    for (int32_t group = 0; group < groups; ++group) {
        const int32_t cut = check_chance(random, 50) ? check_between(random, 0, taps) : taps;
        maker.left = left + (size_t)group * (size_t)filters * (size_t)taps;
        add_segment(&maker, group, 0, cut);
        if (cut < taps)
            add_segment(&maker, group, cut, taps);
    }
    sb_sum_list *list = check_take(1, sizeof *list);
    *list = (sb_sum_list){.starts = maker.starts,
                          .operands = maker.operands,
                          .roles = maker.roles,
                          .segments = maker.segments,
                          .nodes = (size_t)maker.nodes,
                          .operand_count = (size_t)maker.operand_count,
                          .segment_count = (size_t)maker.segment_count};
    return list;
}
