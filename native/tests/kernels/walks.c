#include "walks.h"

#include "guard.h"
#include "run/program.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* Of a vector one call of a function reads and writes a part: on ARM a half. */
#if defined(__aarch64__)
enum { HALVES = 2 };
#else
enum { HALVES = 1 };
#endif
enum { UNUSED = 0xdb };

static check_guarded windows[SB_MACHINE_VECTORS], sums, arguments;
static check_walk_counts counts;
static const void *planted;
static size_t planted_bytes;

const check_walk_counts *check_walks_counted(void) {
    return &counts;
}

void check_plant_in_walks(const void *bytes, size_t count) {
    planted = bytes;
    planted_bytes = count;
}

/* ---- what a walk is ----------------------------------------------------------------------------
 */

/* A lane on its way through a walk. Codes are summed modulo 2^16, in `sum` as in y. */
typedef struct lane {
    const char *window;
    size_t step; /* bytes from an input to the next */
    int number;
    bool codes;
    const uint16_t *counts, *offsets;
    float real_sum, real[SB_WALK_FILTERS];
    uint16_t sum, y[SB_WALK_FILTERS];
} lane;

static void add_list(lane *at, bool adds) {
    for (uint32_t left = *at->counts++; left; --left) {
        const char *vector = at->window + (size_t)*at->offsets++ * at->step;
        if (at->codes) {
            const sb_code code = ((const sb_code *)(const void *)vector)[at->number];
            at->sum = (uint16_t)(adds ? at->sum + code : at->sum - code);
        } else {
            const float number = ((const float *)(const void *)vector)[at->number];
            at->real_sum = adds ? at->real_sum + number : at->real_sum - number;
        }
    }
}

/* y[f] = S - y[f] */
static void flip(lane *at, int32_t f) {
    at->y[f] = (uint16_t)(at->sum - at->y[f]);
    at->real[f] = at->real_sum - at->real[f];
}

/* y[f] += S, or -= */
static void step(lane *at, int32_t f, bool adds) {
    at->y[f] = (uint16_t)(adds ? at->y[f] + at->sum : at->y[f] - at->sum);
    at->real[f] = adds ? at->real[f] + at->real_sum : at->real[f] - at->real_sum;
}

static void walk_binary(lane *at, int32_t filters) {
    for (uint32_t bucket = 1; bucket < 1u << filters; ++bucket) {
        int32_t f = 0;
        while (!(bucket >> f & 1))
            ++f;
        flip(at, f);
        add_list(at, true);
    }
    flip(at, filters - 1);
}

static void walk_ternary(lane *at, int32_t filters, const uint8_t *flips) {
    int32_t buckets = 1;
    for (int32_t f = 0; f < filters; ++f)
        buckets *= 3;
    for (int32_t bucket = 0; bucket < buckets / 2; ++bucket) {
        add_list(at, true);
        add_list(at, false);
        if (bucket + 1 < buckets / 2)
            step(at, flips[bucket] & 0x7f, !(flips[bucket] & 0x80));
    }
    for (int32_t f = 0; f < filters; ++f)
        step(at, f, true);
}

static void walk_lane(const sb_bucket_weights *weights, const sb_bucket_group *group,
                      const char *window, size_t step_bytes, int number, bool codes, lane *at) {
    *at = (lane){.window = window,
                 .step = step_bytes,
                 .number = number,
                 .codes = codes,
                 .counts = weights->counts + group->counts_begin,
                 .offsets = weights->offsets + group->offsets_begin};
    if (weights->zeros) {
        add_list(at, true);
        if (weights->radix == 3)
            step(at, 0, group->filters % 2 == 0);
    }
    if (weights->radix == 3)
        walk_ternary(at, group->filters, weights->flips[group->filters - 1]);
    else
        walk_binary(at, group->filters);
}

/* ---- calls -------------------------------------------------------------------------------------
 */

/* One function: what is called, on how many vectors; bytes of a row of y for a vector. */
typedef struct subject {
    const sb_bucket_weights *weights;
    const sb_machine_walks *walks;
    const char *name;
    int32_t vectors;
    bool codes;
    size_t row_bytes;
    check_complaint complain;
} subject;

/* From an input to the next; codes of ARM are bytes, whose sums have two. */
static size_t input_bytes(const subject *of) {
    return of->row_bytes / HALVES;
}

static size_t read_bytes(const subject *of) {
    return input_bytes(of) / HALVES;
}

static size_t written_bytes(const subject *of) {
    return of->row_bytes / HALVES;
}

static uint32_t lists_of(const sb_bucket_weights *weights, const sb_bucket_group *group) {
    uint32_t patterns = 1;
    for (int32_t f = 0; f < group->filters; ++f)
        patterns *= (uint32_t)weights->radix;
    return patterns - 1 + weights->zeros;
}

/* Bytes from the window's first vector to the end of what the walks read. */
static size_t reach_of(const subject *of) {
    const sb_bucket_group *groups = of->weights->groups + of->walks->first;
    size_t furthest = 0;
    bool any = false;
    for (size_t i = 0; i < of->walks->count; ++i) {
        const uint16_t *count = of->weights->counts + groups[i].counts_begin;
        const uint16_t *offset = of->weights->offsets + groups[i].offsets_begin;
        for (uint32_t list = lists_of(of->weights, &groups[i]); list; --list, ++count)
            for (uint32_t left = *count; left; --left, ++offset, any = true)
                furthest = *offset > furthest ? *offset : furthest;
    }
    return any ? furthest * input_bytes(of) + read_bytes(of) : 0;
}

static void fill_window(check_random *random, bool codes, check_guarded *window, size_t bytes) {
    if (!codes)
        for (size_t i = 0; i < bytes / sizeof(float); ++i)
            ((float *)(void *)window->data)[i] = 3.0f * check_real(random);
    else
        for (size_t i = 0; i < bytes / sizeof(sb_code); ++i)
            ((sb_code *)(void *)window->data)[i] = (sb_code)check_between(random, 0, 255);
}

/* The first lane that is not what the walk gives, in words. */
static void compare(const subject *of, char *fault) {
    const sb_bucket_group *groups = of->weights->groups + of->walks->first;
    const int lanes = (int)(read_bytes(of) / (of->codes ? sizeof(sb_code) : sizeof(float)));
    size_t row = 0;
    lane at;
    for (size_t i = 0; i < of->walks->count; row += (size_t)groups[i++].filters)
        for (int32_t v = 0; v < of->vectors; ++v)
            for (int number = 0; number < lanes; ++number) {
                walk_lane(of->weights, &groups[i], windows[v].data, input_bytes(of), number,
                          of->codes, &at);
                for (int32_t f = 0; f < groups[i].filters; ++f) {
                    const char *y =
                        sums.data +
                        ((row + (size_t)f) * (size_t)of->vectors + (size_t)v) * of->row_bytes;
                    const bool same = of->codes
                                          ? !memcmp(y + 2 * number, &at.y[f], sizeof at.y[f])
                                          : !memcmp(y + 4 * number, &at.real[f], sizeof at.real[f]);
                    if (same)
                        continue;
                    snprintf(fault, CHECK_FAULT_BYTES,
                             "wrong: walk %zu of %zu, filter %d of %d, vector %d, lane %d", i,
                             of->walks->count, f, groups[i].filters, v, number);
                    return;
                }
            }
}

/* At a side: the last vector of y is written by halves, of which the last has no half behind it. */
static void call_at(const subject *of, check_random *random, check_side side) {
    const size_t reach = reach_of(of);
    const size_t rows = (size_t)of->walks->rows * (size_t)of->vectors * of->row_bytes;
    const void *pointers[SB_MACHINE_VECTORS];
    char fault[CHECK_FAULT_BYTES];
    for (int32_t v = 0; v < of->vectors; ++v) {
        check_guard(&windows[v], "a window", reach, side);
        check_fill(&windows[v], 0xff);
        fill_window(random, of->codes, &windows[v], reach);
        check_allow_writes(&windows[v], false);
        pointers[v] = windows[v].data;
    }
    check_guard(&sums, "the sums", rows - (of->row_bytes - written_bytes(of)), side);
    check_fill(&sums, UNUSED);
    check_guard(&arguments, "the windows' addresses", sizeof *pointers * (size_t)of->vectors, side);
    memcpy(arguments.data, pointers, arguments.bytes);
    check_allow_writes(&arguments, false);
    const check_call call = {.function = (void (*)(void))of->walks->run,
                             .arguments = {arguments.data, sums.data, windows[0].pages}};
    check_run(&call, fault);
    ++counts.calls;
    if (!fault[0] && !check_untouched(&sums, UNUSED))
        snprintf(fault, sizeof fault, "it wrote beside the sums");
    if (!fault[0])
        compare(of, fault);
    if (fault[0])
        of->complain(of->name, fault);
}

static void plant(const subject *of, const sb_machine_memory *memory) {
    if (!planted)
        return;
    mprotect(memory->data, memory->bytes, PROT_READ | PROT_WRITE);
    memcpy((void *)(uintptr_t)of->walks->run, planted, planted_bytes);
    mprotect(memory->data, memory->bytes, PROT_READ | PROT_EXEC);
    __builtin___clear_cache((char *)memory->data, (char *)memory->data + memory->bytes);
}

static void check_step_walks(const sb_step *step, const sb_machine_memory *memory,
                             check_random *random, check_complaint complain) {
    const sb_bucket_weights *weights = &step->layer.buckets;
    const sb_generated_walks *generated = &weights->generated;
    const size_t bundles = (size_t)weights->chunk_count * (size_t)step->layer.geometry.groups *
                           (size_t)generated->bundles;
    const sb_kernel_info *info = &step->generated->info;
    const bool codes = info->type == SB_TYPE_U8;
    char name[CHECK_FAULT_BYTES];
    snprintf(name, sizeof name, "%s, a generated walk", info->name);
    for (size_t i = 0; i < generated->starts[bundles]; ++i) {
        const subject of = {
            weights, &generated->functions[i],
            name,    info->vectors,
            codes,   (size_t)info->lanes * (codes ? sizeof(uint16_t) : sizeof(float)),
            complain};
        plant(&of, memory);
        ++counts.functions;
        call_at(&of, random, CHECK_AT_END);
        call_at(&of, random, CHECK_AT_START);
    }
}

void check_walks(const sb_program *program, check_random *random, check_complaint complain) {
    const sb_contents *contents = &program->contents;
    counts.bytes += contents->machine_code_bytes;
    for (size_t i = 0; i < contents->step_count; ++i)
        if (contents->steps[i].layer.buckets.generated.functions)
            check_step_walks(&contents->steps[i], &contents->machine_memory, random, complain);
}
