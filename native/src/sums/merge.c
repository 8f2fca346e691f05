#include <signbin_sharing.h>

#include "checked.h"
#include "count_bits.h"
#include "memory.h"

#include <stdlib.h>
#include <string.h>

/* Who uses what: a row of `words` plus bits and, where there is a minus, as many minus bits. Rows
 * 0 .. inputs are the inputs, then one per temporary. */
typedef struct sb_members {
    size_t words, stride; /* words of a row of one sign, of both */
    uint64_t *rows;
} sb_members;

/* For every row the most targets it is known to share with a row before it: never too few, because
 * sharing only shrinks, so that the greatest bound that proves right is the greatest of all. */
typedef struct sb_search {
    sb_members members;
    int32_t inputs, temporaries;
    int32_t *bound, *partner, *live; /* live: rows in use, ascending */
    uint8_t *differs;                /* the pair is row - partner */
    int32_t live_count;
    int32_t *starts, *operands; /* of the temporaries */
    size_t operand_count;
} sb_search;

static uint64_t *row_of(const sb_members *members, int32_t row) {
    return members->rows + (size_t)row * members->stride;
}

/* Targets that use both rows; *differs: more of them with opposite signs than with equal ones, and
 * the count is of those. */
static int32_t shared(const sb_members *members, int32_t a, int32_t b, uint8_t *differs) {
    const uint64_t *x = row_of(members, a), *y = row_of(members, b);
    const size_t words = members->words;
    int32_t equal = 0, opposite = 0;
    for (size_t w = 0; w < members->stride; ++w)
        equal += count_bits(x[w] & y[w]);
    for (size_t w = 0; words < members->stride && w < words; ++w)
        opposite += count_bits(x[w] & y[words + w]) + count_bits(x[words + w] & y[w]);
    *differs = opposite > equal;
    return opposite > equal ? opposite : equal;
}

static bool unused(const sb_members *members, int32_t row) {
    const uint64_t *x = row_of(members, row);
    for (size_t w = 0; w < members->stride; ++w)
        if (x[w])
            return false;
    return true;
}

/* Most tiles have rows of one word without signs: this is where their search spends its time. */
SB_COUNTS_BITS static int32_t look_back_word(const sb_search *search, int32_t at,
                                             int32_t *partner) {
    const uint64_t *rows = search->members.rows, word = rows[search->live[at]];
    int32_t best = 0;
    for (int32_t i = 0; i < at; ++i) {
        const int32_t count = (int32_t)SB_COUNT_BITS(word & rows[search->live[i]]);
        if (count > best) {
            best = count;
            *partner = search->live[i];
        }
    }
    return best;
}

static int32_t look_back_row(sb_search *search, int32_t at, int32_t *partner) {
    const int32_t row = search->live[at];
    int32_t best = 0;
    for (int32_t i = 0; i < at; ++i) {
        uint8_t differs;
        const int32_t count = shared(&search->members, row, search->live[i], &differs);
        if (count > best) {
            best = count;
            *partner = search->live[i];
            search->differs[row] = differs;
        }
    }
    return best;
}

/* The best partner of live row number `at` among the live rows before it. */
static void look_back(sb_search *search, int32_t at) {
    const int32_t row = search->live[at];
    const bool one_word = search->members.stride == 1 && counts_bits();
    search->bound[row] = one_word ? look_back_word(search, at, search->partner + row)
                                  : look_back_row(search, at, search->partner + row);
}

/* Number among the live rows of the one with the greatest bound; the first of equals. */
static int32_t most_promising(const sb_search *search) {
    int32_t found = 0, best = -1;
    for (int32_t i = 0; i < search->live_count; ++i)
        if (search->bound[search->live[i]] > best) {
            best = search->bound[search->live[i]];
            found = i;
        }
    return found;
}

static int32_t new_temporary(sb_search *search) {
    const int32_t row = search->inputs + search->temporaries;
    search->starts[search->temporaries++] = (int32_t)search->operand_count;
    search->live[search->live_count++] = row;
    return row;
}

static void drop_unused(sb_search *search) {
    int32_t kept = 0;
    for (int32_t i = 0; i < search->live_count; ++i)
        if (!unused(&search->members, search->live[i]))
            search->live[kept++] = search->live[i];
    search->live_count = kept;
}

/* row + partner, or row - partner, becomes a node in all targets that have the pair. */
static void merge(sb_search *search, int32_t row) {
    const sb_members *members = &search->members;
    const int32_t partner = search->partner[row];
    const bool differs = search->differs[row];
    const int32_t node = new_temporary(search);
    uint64_t *x = row_of(members, row), *y = row_of(members, partner), *z = row_of(members, node);
    search->operands[search->operand_count++] = 2 * row;
    search->operands[search->operand_count++] = 2 * partner + differs;
    for (size_t w = 0; w < members->stride; ++w) {
        const size_t other = !differs             ? w
                             : w < members->words ? w + members->words
                                                  : w - members->words;
        z[w] = x[w] & y[other];
        x[w] &= ~z[w];
        y[other] &= ~z[w];
    }
}

static void merge_pairs(sb_search *search, int32_t budget) {
    drop_unused(search);
    for (int32_t i = 0; i < search->live_count; ++i)
        look_back(search, i);
    for (int32_t merged = 0, idle = 0; merged < budget && search->live_count > 1;) {
        const int32_t at = most_promising(search), row = search->live[at];
        const int32_t promised = search->bound[row];
        if (promised < 2)
            return;
        look_back(search, at);
        if (search->bound[row] < promised)
            continue;
        merge(search, row);
        look_back(search, search->live_count - 1);
        ++merged;
        if (++idle * 4 > search->live_count) {
            drop_unused(search);
            idle = 0;
        }
    }
}

/* ---- leaves ------------------------------------------------------------------------------- */

static uint64_t hash_row(const sb_members *members, int32_t row) {
    const uint64_t *x = row_of(members, row);
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);
    for (size_t w = 0; w < members->stride; ++w)
        hash = (hash ^ x[w] ^ x[w] >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return hash ^ hash >> 32;
}

/* leader[i]: the first input used by the very same targets as input i. */
static void find_leaders(const sb_members *members, int32_t inputs, int32_t *table, size_t slots,
                         int32_t *leader) {
    const size_t bytes = members->stride * sizeof(uint64_t);
    memset(table, -1, slots * sizeof *table);
    for (int32_t i = 0; i < inputs; ++i) {
        size_t slot = hash_row(members, i) & (slots - 1);
        while (table[slot] >= 0 && memcmp(row_of(members, table[slot]), row_of(members, i), bytes))
            slot = (slot + 1) & (slots - 1);
        if (table[slot] < 0)
            table[slot] = i;
        leader[i] = table[slot];
    }
}

/* Inputs with equal leaders become a node, which takes over their row. next: per input. */
static void merge_leaves(sb_search *search, const int32_t *leader, int32_t *next, int32_t *last) {
    const size_t bytes = search->members.stride * sizeof(uint64_t);
    const int32_t inputs = search->inputs;
    for (int32_t i = 0; i < inputs; ++i) {
        next[i] = -1;
        if (leader[i] != i)
            next[last[leader[i]]] = i;
        last[leader[i]] = i;
    }
    for (int32_t i = 0; i < inputs; ++i) {
        if (leader[i] != i || next[i] < 0 || unused(&search->members, i))
            continue;
        const int32_t node = new_temporary(search);
        memcpy(row_of(&search->members, node), row_of(&search->members, i), bytes);
        for (int32_t member = i; member >= 0; member = next[member]) {
            search->operands[search->operand_count++] = 2 * member;
            memset(row_of(&search->members, member), 0, bytes);
        }
    }
}

static sb_status share_leaves(sb_search *search, sb_memory *memory) {
    const size_t inputs = (size_t)search->inputs;
    size_t slots = 2;
    while (slots < 2 * inputs)
        slots *= 2;
    int32_t *table = sb_memory_take(memory, slots, sizeof *table);
    int32_t *lists = sb_memory_take(memory, 3 * inputs, sizeof *lists);
    if (!table || !lists)
        return SB_OUT_OF_MEMORY;
    find_leaders(&search->members, search->inputs, table, slots, lists);
    merge_leaves(search, lists, lists + inputs, lists + 2 * inputs);
    return SB_OK;
}

/* ---- a call ------------------------------------------------------------------------------- */

typedef struct sb_owned_sharing {
    sb_sharing contents;
    sb_memory memory;
} sb_owned_sharing;

static sb_status check(const sb_sharing_spec *spec, size_t words, size_t *uses) {
    if (spec->inputs < 1 || spec->inputs > SB_MAX_SHARED || spec->targets < 1 ||
        spec->targets > SB_MAX_SHARED || spec->budget < 0 || !spec->plus)
        return SB_INVALID_ARGUMENT;
    const uint64_t past = spec->targets % 64 ? UINT64_MAX << spec->targets % 64 : 0;
    *uses = 0;
    for (size_t i = 0; i < (size_t)spec->inputs * words; ++i) {
        const uint64_t plus = spec->plus[i], minus = spec->minus ? spec->minus[i] : 0;
        if (plus & minus || (i % words == words - 1 && (plus | minus) & past))
            return SB_INVALID_ARGUMENT;
        *uses += (size_t)(count_bits(plus) + count_bits(minus));
    }
    return *uses <= INT32_MAX / 4 ? SB_OK : SB_OVERFLOW;
}

static sb_status prepare(const sb_sharing_spec *spec, size_t words, size_t temporaries,
                         sb_memory *memory, sb_search *search) {
    const size_t rows = (size_t)spec->inputs + temporaries;
    sb_members *members = &search->members;
    members->words = words;
    members->stride = spec->minus ? 2 * words : words;
    search->inputs = spec->inputs;
    size_t bits = members->stride;
    if (!sb_checked_multiply(&bits, rows))
        return SB_OVERFLOW;
    members->rows = sb_memory_take(memory, bits, sizeof *members->rows);
    search->bound = sb_memory_take(memory, rows, sizeof *search->bound);
    search->partner = sb_memory_take(memory, rows, sizeof *search->partner);
    search->differs = sb_memory_take(memory, rows, sizeof *search->differs);
    search->live = sb_memory_take(memory, rows, sizeof *search->live);
    search->starts = sb_memory_take(memory, temporaries + 1, sizeof *search->starts);
    search->operands =
        sb_memory_take(memory, (size_t)spec->inputs + 2 * temporaries, sizeof *search->operands);
    if (!members->rows || !search->bound || !search->partner || !search->differs || !search->live ||
        !search->starts || !search->operands)
        return SB_OUT_OF_MEMORY;
    for (int32_t i = 0; i < spec->inputs; ++i) {
        memcpy(row_of(members, i), spec->plus + (size_t)i * words, words * sizeof(uint64_t));
        if (spec->minus)
            memcpy(row_of(members, i) + words, spec->minus + (size_t)i * words,
                   words * sizeof(uint64_t));
        search->live[search->live_count++] = i;
    }
    return SB_OK;
}

/* Appends to *operands what is left of a target; returns how many. NULL only counts. */
static size_t list_target(const sb_search *search, int32_t target, int32_t *operands) {
    const sb_members *members = &search->members;
    const size_t word = (size_t)target / 64;
    const uint64_t bit = UINT64_C(1) << target % 64;
    size_t count = 0;
    for (int32_t i = 0; i < search->live_count; ++i) {
        const uint64_t *x = row_of(members, search->live[i]);
        const bool minus = members->stride > members->words && x[members->words + word] & bit;
        if (!minus && !(x[word] & bit))
            continue;
        if (operands)
            operands[count] = 2 * search->live[i] + minus;
        ++count;
    }
    return count;
}

static sb_status emit(sb_search *search, int32_t targets, sb_owned_sharing *owned) {
    const size_t nodes = (size_t)search->temporaries + targets;
    size_t total = search->operand_count;
    drop_unused(search);
    for (int32_t t = 0; t < targets; ++t)
        total += list_target(search, t, NULL);
    int32_t *starts = sb_memory_take(&owned->memory, nodes + 1, sizeof *starts);
    int32_t *operands = sb_memory_take(&owned->memory, total + 1, sizeof *operands);
    if (!starts || !operands)
        return SB_OUT_OF_MEMORY;
    memcpy(starts, search->starts, (size_t)search->temporaries * sizeof *starts);
    memcpy(operands, search->operands, search->operand_count * sizeof *operands);
    size_t next = search->operand_count;
    for (int32_t t = 0; t < targets; ++t) {
        starts[search->temporaries + t] = (int32_t)next;
        next += list_target(search, t, operands + next);
    }
    starts[nodes] = (int32_t)next;
    owned->contents = (sb_sharing){nodes, (size_t)search->temporaries, starts, operands};
    return SB_OK;
}

static sb_status share(const sb_sharing_spec *spec, sb_memory *memory, sb_owned_sharing *owned) {
    const size_t words = ((size_t)spec->targets + 63) / 64;
    sb_search search = {0};
    size_t uses;
    sb_status status = check(spec, words, &uses);
    if (status != SB_OK)
        return status;
    size_t pairs = uses / 2;
    if ((size_t)spec->budget < pairs)
        pairs = (size_t)spec->budget;
    const size_t leaves = spec->leaves ? (size_t)spec->inputs / 2 : 0;
    status = prepare(spec, words, leaves + pairs, memory, &search);
    if (status == SB_OK && spec->leaves)
        status = share_leaves(&search, memory);
    if (status != SB_OK)
        return status;
    merge_pairs(&search, (int32_t)pairs);
    return emit(&search, spec->targets, owned);
}

sb_status sb_sharing_create(const sb_sharing_spec *spec, sb_sharing **sharing) {
    if (!spec || !sharing)
        return SB_INVALID_ARGUMENT;
    sb_owned_sharing *owned = calloc(1, sizeof *owned);
    if (!owned)
        return SB_OUT_OF_MEMORY;
    sb_memory memory = {NULL};
    const sb_status status = share(spec, &memory, owned);
    sb_memory_free(&memory);
    if (status != SB_OK) {
        sb_memory_free(&owned->memory);
        free(owned);
        return status;
    }
    *sharing = &owned->contents;
    return SB_OK;
}

void sb_sharing_free(sb_sharing *sharing) {
    sb_owned_sharing *owned = (sb_owned_sharing *)(void *)sharing;
    if (owned)
        sb_memory_free(&owned->memory);
    free(owned);
}
