#include "pack_sums.h"

#include "checked.h"
#include "kernels/sums/sum_words.h"
#include "kernels/view.h"

#include <stdlib.h>

enum { MOST_SLOTS = 1 << 15, WORDS_PER_NODE = 10 };
enum { LAST = (1 << 28) - 1 }; /* level of filters: above that of any of SB_SUMS_MOST nodes */

/* The pack under construction. Arrays per node: its slot; its place in the order of its segment;
 * the last place that uses it, -1 where none does; how many inputs it adds and subtracts. */
typedef struct sb_sums_packer {
    const sb_layer *layer;
    const sb_sums_pack_spec *spec;
    sb_sums_weights *weights;
    uint16_t *words;
    sb_sums_segment *segments;
    uint64_t *order; /* of a segment: level, kind, node within the segment */
    int32_t *level, *slot, *last_use, *added, *subtracted;
    int32_t *parts, *done; /* per filter: its nodes, and those packed so far */
    int32_t *free_slots;
    int32_t free_count, inputs;
    const char *reason;
} sb_sums_packer;

static bool is_input(const sb_sums_packer *packer, int32_t operand) {
    return operand >> 1 < packer->inputs;
}

static int32_t node_of(const sb_sums_packer *packer, int32_t operand) {
    return (operand >> 1) - packer->inputs;
}

/* Vectors from a window's first one to an input. */
static size_t vector_of(const sb_sums_packer *packer, int32_t operand) {
    const sb_geometry *geometry = &packer->layer->geometry;
    const int32_t kernel = geometry->kernel_height * geometry->kernel_width;
    const int32_t input = operand >> 1, tap = input % kernel;
    return (size_t)(sb_tap_vectors(geometry, &packer->layer->input, tap / geometry->kernel_width,
                                   tap % geometry->kernel_width) +
                    input / kernel);
}

/* ---- order -------------------------------------------------------------------------------- */

static uint32_t kind_of(const sb_sums_packer *packer, int32_t node) {
    const sb_sum_list *list = packer->spec->list;
    const int32_t *operands = list->operands + list->starts[node];
    if (list->roles[node] >= 0)
        return SB_SUMS_FILTERS;
    if (list->roles[node] == -2 || list->starts[node + 1] - list->starts[node] != 2)
        return SB_SUMS_KEPT;
    const bool left = is_input(packer, operands[0]), right = is_input(packer, operands[1]);
    if (operands[1] & 1)
        return left ? (right ? SB_SUMS_SUBTRACT_INPUTS : SB_SUMS_SUBTRACT_INPUT_SLOT)
                    : (right ? SB_SUMS_SUBTRACT_SLOT_INPUT : SB_SUMS_SUBTRACT_SLOTS);
    if (left && right)
        return SB_SUMS_ADD_INPUTS;
    return left || right ? SB_SUMS_ADD_INPUT_SLOT : SB_SUMS_ADD_SLOTS;
}

static int compare(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Depth first, then kind; filters and dropped sums last. */
static void order_segment(sb_sums_packer *packer, int32_t begin, int32_t end) {
    const sb_sum_list *list = packer->spec->list;
    for (int32_t node = begin; node < end; ++node) {
        int32_t level = 0;
        for (int32_t i = list->starts[node]; i < list->starts[node + 1]; ++i)
            if (!is_input(packer, list->operands[i])) {
                const int32_t below = packer->level[node_of(packer, list->operands[i])] + 1;
                level = below > level ? below : level;
            }
        packer->level[node] = level;
        if (list->roles[node] != -1)
            level = LAST;
        packer->order[node - begin] = (uint64_t)level << 36 |
                                      (uint64_t)kind_of(packer, node) << 32 |
                                      (uint32_t)(node - begin);
    }
    qsort(packer->order, (size_t)(end - begin), sizeof *packer->order, compare);
}

/* ---- slots -------------------------------------------------------------------------------- */

static void find_last_uses(sb_sums_packer *packer, int32_t begin, int32_t end) {
    const sb_sum_list *list = packer->spec->list;
    for (int32_t node = begin; node < end; ++node)
        packer->last_use[node] = -1;
    for (int32_t place = 0; place < end - begin; ++place) {
        const int32_t node = begin + (int32_t)(uint32_t)packer->order[place];
        for (int32_t i = list->starts[node]; i < list->starts[node + 1]; ++i)
            if (!is_input(packer, list->operands[i]))
                packer->last_use[node_of(packer, list->operands[i])] = place;
    }
}

/* Slots that the node at this place was the last to need are free again, for itself, too: every
 * vector is read before it is written. */
static void release(sb_sums_packer *packer, int32_t node, int32_t place) {
    const sb_sum_list *list = packer->spec->list;
    for (int32_t i = list->starts[node]; i < list->starts[node + 1]; ++i) {
        if (is_input(packer, list->operands[i]))
            continue;
        const int32_t used = node_of(packer, list->operands[i]);
        if (packer->last_use[used] != place)
            continue;
        packer->last_use[used] = -1; /* once, however often the node uses it */
        packer->free_slots[packer->free_count++] = packer->slot[used];
    }
}

static bool take_slot(sb_sums_packer *packer, int32_t node) {
    sb_sums_weights *weights = packer->weights;
    if (packer->free_count) {
        packer->slot[node] = packer->free_slots[--packer->free_count];
        return true;
    }
    packer->slot[node] = weights->slots++;
    packer->reason = "it keeps more than 32768 sums at once; use smaller tiles";
    return weights->slots <= MOST_SLOTS;
}

/* ---- words -------------------------------------------------------------------------------- */

static void put(sb_sums_packer *packer, size_t word) {
    packer->words[packer->weights->word_count++] = (uint16_t)word;
}

static void put_operand(sb_sums_packer *packer, size_t base, int32_t operand) {
    put(packer, is_input(packer, operand) ? vector_of(packer, operand) - base
                                          : (size_t)packer->slot[node_of(packer, operand)]);
}

static void put_lists(sb_sums_packer *packer, size_t base, int32_t node) {
    const sb_sum_list *list = packer->spec->list;
    const int32_t begin = list->starts[node], end = list->starts[node + 1];
    for (int part = 0; part < 8; ++part) { /* four counts, then four lists */
        const bool slots = part % 4 > 1;
        size_t count = 0;
        for (int32_t i = begin; i < end; ++i) {
            const int32_t operand = list->operands[i];
            if (is_input(packer, operand) == slots || (operand & 1) != part % 2)
                continue;
            ++count;
            if (part >= 4)
                put_operand(packer, base, operand);
        }
        if (part < 4)
            put(packer, count);
    }
}

static void put_pair(sb_sums_packer *packer, size_t base, int32_t node, uint32_t kind) {
    const sb_sum_list *list = packer->spec->list;
    const int32_t *operands = list->operands + list->starts[node];
    const bool swapped = kind == SB_SUMS_ADD_INPUT_SLOT && !is_input(packer, operands[0]);
    put_operand(packer, base, operands[swapped]);
    put_operand(packer, base, operands[!swapped]);
}

/* How many inputs the node adds and subtracts, and whether a part of a filter fits 16 bits. */
static bool weigh(sb_sums_packer *packer, int32_t node) {
    const sb_sum_list *list = packer->spec->list;
    int64_t added = 0, subtracted = 0;
    for (int32_t i = list->starts[node]; i < list->starts[node + 1]; ++i) {
        const int32_t operand = list->operands[i], used = node_of(packer, operand);
        const int32_t plus = used < 0 ? 1 : packer->added[used];
        const int32_t minus = used < 0 ? 0 : packer->subtracted[used];
        added += operand & 1 ? minus : plus;
        subtracted += operand & 1 ? plus : minus;
    }
    packer->added[node] = (int32_t)(added < INT32_MAX ? added : INT32_MAX);
    packer->subtracted[node] = (int32_t)(subtracted < INT32_MAX ? subtracted : INT32_MAX);
    packer->reason =
        "a part of a filter sums more codes than fit 16 bits; use fewer inputs per tile";
    return list->roles[node] < 0 || added + subtracted <= packer->spec->bound;
}

static void put_filter(sb_sums_packer *packer, size_t base, int32_t node) {
    const int32_t filter = packer->spec->list->roles[node];
    const int32_t lift = packer->spec->top * packer->subtracted[node];
    const int32_t group_filters =
        packer->layer->geometry.out_channels / packer->layer->geometry.groups;
    const size_t index = (size_t)(filter % group_filters);
    const bool opens = !packer->done[filter]++;
    const bool closes = packer->done[filter] == packer->parts[filter];
    put(packer, index & 0xffff);
    put(packer, index >> 16);
    put(packer, (opens ? SB_SUMS_OPENS : 0) | (closes ? SB_SUMS_CLOSES : 0));
    put(packer, packer->spec->top ? (size_t)lift : 0);
    put_lists(packer, base, node);
    if (packer->spec->top)
        packer->spec->lift[filter] += lift;
}

static bool put_node(sb_sums_packer *packer, size_t base, int32_t node, int32_t place) {
    const uint32_t kind = (uint32_t)(packer->order[place] >> 32) & 15;
    if (kind == SB_SUMS_FILTERS) {
        put_filter(packer, base, node);
        release(packer, node, place);
        return true;
    }
    const size_t at = packer->weights->word_count;
    if (kind == SB_SUMS_KEPT) {
        put(packer, 0);
        put_lists(packer, base, node);
    } else {
        put_pair(packer, base, node, kind);
        put(packer, 0);
    }
    release(packer, node, place);
    if (!take_slot(packer, node))
        return false;
    packer->words[kind == SB_SUMS_KEPT ? at : at + 2] = (uint16_t)packer->slot[node];
    if (packer->last_use[node] < 0)
        packer->free_slots[packer->free_count++] = packer->slot[node];
    return true;
}

/* ---- segments ----------------------------------------------------------------------------- */

/* The segment's least input; false where its inputs are too far apart. */
static bool find_base(sb_sums_packer *packer, int32_t begin, int32_t end, size_t *base) {
    const sb_sum_list *list = packer->spec->list;
    size_t least = SIZE_MAX, most = 0;
    for (int32_t i = list->starts[begin]; i < list->starts[end]; ++i)
        if (is_input(packer, list->operands[i])) {
            const size_t vector = vector_of(packer, list->operands[i]);
            least = vector < least ? vector : least;
            most = vector > most ? vector : most;
        }
    *base = least > most ? 0 : least;
    packer->reason =
        "the inputs of a tile lie too far apart for 16-bit offsets; use another layout";
    return most - *base <= UINT16_MAX;
}

static bool pack_segment(sb_sums_packer *packer, size_t index) {
    const int32_t *segments = packer->spec->list->segments;
    const int32_t begin = segments[index], end = segments[index + 1];
    sb_sums_segment *segment = packer->segments + index;
    size_t run = 0;
    uint32_t running = SB_SUMS_END;
    if (!find_base(packer, begin, end, &segment->base))
        return false;
    segment->words_begin = packer->weights->word_count;
    packer->free_count = 0;
    for (int32_t slot = packer->weights->slots; slot; --slot)
        packer->free_slots[packer->free_count++] = slot - 1;
    order_segment(packer, begin, end);
    find_last_uses(packer, begin, end);
    for (int32_t node = begin; node < end; ++node)
        if (!weigh(packer, node))
            return false;
    for (int32_t place = 0; place < end - begin; ++place) {
        const uint32_t kind = (uint32_t)(packer->order[place] >> 32) & 15;
        const bool deeper = place && packer->order[place] >> 36 != packer->order[place - 1] >> 36;
        if (kind != running || deeper || packer->words[run + 1] == UINT16_MAX) {
            run = packer->weights->word_count;
            running = kind;
            put(packer, kind);
            put(packer, 0);
        }
        ++packer->words[run + 1];
        if (!put_node(packer, segment->base, begin + (int32_t)(uint32_t)packer->order[place],
                      place))
            return false;
    }
    put(packer, SB_SUMS_END);
    return true;
}

static bool allocate(sb_sums_packer *packer, sb_memory *memory, sb_memory *temporary) {
    const sb_sum_list *list = packer->spec->list;
    const size_t nodes = list->nodes + 1;
    const size_t filters = (size_t)packer->layer->geometry.out_channels;
    const size_t words = WORDS_PER_NODE * nodes + list->operand_count + list->segment_count;
    packer->words = sb_memory_take(memory, words, sizeof *packer->words);
    packer->segments = sb_memory_take(memory, list->segment_count + 1, sizeof *packer->segments);
    packer->order = sb_memory_take(temporary, nodes, sizeof *packer->order);
    int32_t *numbers = sb_memory_take(temporary, 6 * nodes, sizeof *numbers);
    int32_t *counts = sb_memory_take(temporary, 2 * filters, sizeof *counts);
    if (!packer->words || !packer->segments || !packer->order || !numbers || !counts)
        return false;
    packer->level = numbers;
    packer->slot = numbers + nodes;
    packer->last_use = numbers + 2 * nodes;
    packer->added = numbers + 3 * nodes;
    packer->subtracted = numbers + 4 * nodes;
    packer->free_slots = numbers + 5 * nodes;
    packer->parts = counts;
    packer->done = counts + filters;
    return true;
}

/* Where each convolution group's segments and silent filters begin; parts and merges. */
static bool list_groups(sb_sums_packer *packer, sb_memory *memory) {
    const sb_sum_list *list = packer->spec->list;
    const sb_geometry *geometry = &packer->layer->geometry;
    const int32_t filters = geometry->out_channels / geometry->groups;
    const size_t groups = (size_t)geometry->groups;
    size_t *starts = sb_memory_take(memory, 2 * (groups + 1), sizeof *starts);
    int32_t *silent = sb_memory_take(memory, (size_t)geometry->out_channels, sizeof *silent);
    if (!starts || !silent)
        return false;
    size_t group = 0, silent_count = 0;
    for (size_t s = 0; s < list->segment_count; ++s)
        for (int32_t node = list->segments[s]; node < list->segments[s + 1]; ++node) {
            if (list->roles[node] < 0)
                continue;
            packer->weights->merges |= packer->parts[list->roles[node]]++ > 0;
            for (; group < (size_t)(list->roles[node] / filters); ++group)
                starts[group + 1] = s;
        }
    for (; group < groups; ++group)
        starts[group + 1] = list->segment_count;
    size_t *silent_starts = starts + groups + 1;
    for (int32_t k = 0; k < geometry->out_channels; ++k) {
        if (!packer->parts[k])
            silent[silent_count++] = k % filters;
        silent_starts[k / filters + 1] = silent_count;
    }
    packer->weights->starts = starts;
    packer->weights->silent_starts = silent_starts;
    packer->weights->silent = silent;
    return true;
}

sb_status sb_pack_sum_list(const sb_layer *layer, const sb_sums_pack_spec *spec, sb_memory *memory,
                           sb_sums_weights *weights, const char **reason) {
    sb_memory temporary = {NULL};
    sb_sums_weights packed = {0};
    sb_sums_packer packer = {.layer = layer,
                             .spec = spec,
                             .weights = &packed,
                             .inputs = sb_sums_inputs(&layer->geometry)};
    sb_status status = SB_OUT_OF_MEMORY;
    if (allocate(&packer, memory, &temporary) && list_groups(&packer, memory)) {
        status = SB_OK;
        for (size_t s = 0; status == SB_OK && s < spec->list->segment_count; ++s)
            status = pack_segment(&packer, s) ? SB_OK : SB_UNSUPPORTED;
    }
    sb_memory_free(&temporary);
    *reason = packer.reason;
    if (status != SB_OK)
        return status;
    packed.words = packer.words;
    packed.segments = packer.segments;
    *weights = packed;
    return SB_OK;
}
