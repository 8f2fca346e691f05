#include "intercept.h"

#include "contents.h"
#include "guarded_memory.h"
#include "kernels/view.h"
#include "operands/view_plan.h"
#include "operands_of.h"
#include "run/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a stand-in for every row --------------------------------------------------------------- */

static void intercept(size_t row, const sb_layer *layer, const sb_operands *operands);

#define STAND_IN(act, strategy, op, tile, isa) stand_in_##act##_##strategy##_##op##_##tile##__##isa
#define SB_KERNEL(act, strategy, op, tile, isa, filters, vectors, lanes)                           \
    ROW_##act##_##strategy##_##op##_##tile##__##isa,
#define SB_KERNEL_GENERATED(act, strategy, op, tile, isa, filters, vectors, lanes, together)       \
    SB_KERNEL(act, strategy, op, tile, isa, filters, vectors, lanes)
#define SB_KERNEL_PRODUCTS SB_KERNEL
enum {
#include "kernels.def"
    ROW_COUNT
};
#undef SB_KERNEL
#define SB_KERNEL(act, strategy, op, tile, isa, filters, vectors, lanes)                           \
    static void STAND_IN(act, strategy, op, tile, isa)(const sb_layer *layer,                      \
                                                       const sb_operands *operands) {              \
        intercept(ROW_##act##_##strategy##_##op##_##tile##__##isa, layer, operands);               \
    }
#include "kernels.def"
#undef SB_KERNEL
#define SB_KERNEL(act, strategy, op, tile, isa, filters, vectors, lanes)                           \
    {.run = STAND_IN(act, strategy, op, tile, isa)},
static sb_kernel_row stand_ins[ROW_COUNT] = {
#include "kernels.def"
};
#undef SB_KERNEL
#undef SB_KERNEL_GENERATED
#undef SB_KERNEL_PRODUCTS

static sb_kernel_function real[ROW_COUNT], planted[ROW_COUNT];
static uint64_t calls_of_row[ROW_COUNT];
static check_counts counts = {.of_row = calls_of_row};
static const sb_contents *contents;
static check_complaint complaint;
static size_t measured = ROW_COUNT;
static uint64_t least;

size_t check_row_of(const char *name) {
    sb_kernel_info info;
    for (size_t i = 0; i < ROW_COUNT; ++i)
        if (sb_kernel_get(i, &info) == SB_OK && !strcmp(info.name, name))
            return i;
    return ROW_COUNT;
}

const check_counts *check_counted(void) {
    return &counts;
}

void check_plant(const char *row, sb_kernel_function wrong) {
    const size_t at = check_row_of(row);
    if (at < ROW_COUNT)
        planted[at] = wrong;
}

void check_measure(const char *row) {
    measured = row ? check_row_of(row) : ROW_COUNT;
    least = UINT64_MAX;
}

uint64_t check_least_ticks(void) {
    return least;
}

/* ---- instead of the kernels ------------------------------------------------------------------ */

static const sb_kernel_row *stand_in(const sb_kernel_row *row) {
    if (!row)
        return NULL;
    const size_t at = check_row_of(row->info.name);
    real[at] = row->run;
    stand_ins[at].info = row->info;
    return &stand_ins[at];
}

static void replace_in_step(sb_step *step) {
    step->kernel = stand_in(step->kernel);
    step->input_copy.kernel = stand_in(step->input_copy.kernel);
    step->residual_copy.kernel = stand_in(step->residual_copy.kernel);
    step->output_copy.kernel = stand_in(step->output_copy.kernel);
    for (size_t i = 0; i < step->part_count; ++i)
        step->parts[i].copy.kernel = stand_in(step->parts[i].copy.kernel);
}

void check_intercept(sb_program *program, check_complaint complain) {
    sb_contents *changed = &program->contents;
    for (size_t i = 0; i < changed->step_count; ++i)
        replace_in_step(&changed->steps[i]);
    for (int type = 0; type < SB_TYPE_COUNT; ++type) {
        sb_stages *stages = &changed->stages[type];
        *stages = (sb_stages){stand_in(stages->relayout), stand_in(stages->halo),
                              stand_in(stages->sum_channels)};
    }
    changed->dequantize = stand_in(changed->dequantize);
    check_allow_array_writes(&changed->memory, false);
    contents = changed;
    complaint = complain;
}

void check_release(void) {
    contents = NULL;
}

/* ---- a call ---------------------------------------------------------------------------------- */

static const char *const NAMES[CHECK_OPERANDS] = {"the input", "the residual", "the channel totals",
                                                  "the output", "the scratch"};
/* What lies beside a buffer, and in scratch before a call. */
enum { UNUSED = 0xdb, SHARES = 3 };

static check_guarded guarded[CHECK_OPERANDS];

/* Guarded copies of the operands at a side. */
static sb_operands guard_operands(const check_extents *extents, const sb_operands *given,
                                  check_side side) {
    const void *const sources[CHECK_OPERANDS] = {given->input, given->residual, given->totals,
                                                 given->output, NULL};
    void *places[CHECK_OPERANDS] = {NULL};
    for (int i = 0; i < CHECK_OPERANDS; ++i) {
        const size_t bytes = extents->bytes[i];
        check_guard(&guarded[i], NAMES[i], bytes, side);
        check_fill(&guarded[i], side == CHECK_AT_END ? UNUSED : 0xff);
        if (sources[i] && bytes)
            memcpy(guarded[i].data, sources[i], bytes);
        if (sources[i] || i == CHECK_SCRATCH)
            places[i] = guarded[i].data;
        check_allow_writes(&guarded[i], i == CHECK_OUTPUT || i == CHECK_SCRATCH);
    }
    return (sb_operands){.input = places[CHECK_INPUT],
                         .residual = places[CHECK_RESIDUAL],
                         .totals = places[CHECK_TOTALS],
                         .output = places[CHECK_OUTPUT],
                         .scratch = places[CHECK_SCRATCH],
                         .batch = given->batch,
                         .shares = 1};
}

static void complain_of(size_t row, const char *fault, check_side side, size_t shares) {
    char words[CHECK_FAULT_BYTES + 80];
    snprintf(words, sizeof words, "%s (memory at the %s of its pages, %zu share%s)", fault,
             side == CHECK_AT_END ? "end" : "start", shares, shares == 1 ? "" : "s");
    complaint(stand_ins[row].info.name, words);
}

/* All shares, one after the other, at the start of memory the last one first: what a share writes
 * that is another's stays where that one came before. Whether all went well. */
static bool run_shares(size_t row, const sb_layer *layer, sb_operands *operands, check_side side) {
    char fault[CHECK_FAULT_BYTES];
    const sb_kernel_function run = planted[row] ? planted[row] : real[row];
    for (size_t i = 0; i < operands->shares; ++i) {
        operands->share = side == CHECK_AT_END ? i : operands->shares - 1 - i;
        const check_call call = {.function = (void (*)(void))run, .arguments = {layer, operands}};
        check_run(&call, fault);
        ++counts.calls;
        ++calls_of_row[row];
        if (fault[0]) {
            complain_of(row, fault, side, operands->shares);
            return false;
        }
    }
    for (int i = CHECK_OUTPUT; i <= CHECK_SCRATCH; ++i)
        if (!check_untouched(&guarded[i], side == CHECK_AT_END ? UNUSED : 0xff)) {
            snprintf(fault, sizeof fault, "it wrote beside %s", NAMES[i]);
            complain_of(row, fault, side, operands->shares);
            return false;
        }
    return true;
}

/* Whether two outputs agree at every pixel of the image. Lanes beyond it belong to nobody: a kernel
 * may leave there what it likes, and what reads the value fills or ignores them. */
static bool agree(size_t row, const sb_layer *layer, const char *a, const char *b, size_t bytes) {
    const sb_view *view = &layer->output;
    const sb_geometry *geometry = &layer->geometry;
    const sb_extent extent = {geometry->out_channels, geometry->out_height, geometry->out_width};
    size_t elements = 0;
    if (!memcmp(a, b, bytes))
        return true;
    if (!view->lanes || stand_ins[row].info.strategy == SB_STRATEGY_LAYOUT ||
        !sb_view_elements(view, &extent, &elements))
        return false;
    const size_t element = bytes / elements, step = element * (size_t)view->lanes;
    for (int32_t y = 0; y < extent.height; ++y)
        for (int32_t x = 0; x < extent.width; ++x) {
            const size_t at = sb_view_element(view, extent.width, y, x) * element;
            for (int32_t c = 0; c < extent.channels; ++c)
                if (memcmp(a + at + (size_t)c * step, b + at + (size_t)c * step, element))
                    return false;
        }
    return true;
}

/* At every side, at once and in shares: the same bits each time. What the first call wrote is what
 * the program goes on with. */
static void check_call_of(size_t row, const sb_layer *layer, const sb_operands *given,
                          const check_extents *extents) {
    static const struct {
        check_side side;
        size_t shares;
    } ways[] = {
        {CHECK_AT_END, 1}, {CHECK_AT_START, 1}, {CHECK_AT_END, SHARES}, {CHECK_AT_START, SHARES}};
    char *first = malloc(extents->bytes[CHECK_OUTPUT] + 1);
    for (size_t i = 0; first && i < sizeof ways / sizeof *ways; ++i) {
        sb_operands operands = guard_operands(extents, given, ways[i].side);
        operands.shares = ways[i].shares;
        const bool well = run_shares(row, layer, &operands, ways[i].side);
        if (!i)
            memcpy(first, guarded[CHECK_OUTPUT].data, extents->bytes[CHECK_OUTPUT]);
        else if (well && !agree(row, layer, first, guarded[CHECK_OUTPUT].data,
                                extents->bytes[CHECK_OUTPUT]))
            complain_of(row, "other results than with memory at the end and one share",
                        ways[i].side, ways[i].shares);
        if (!well)
            break;
    }
    memcpy(given->output, first, extents->bytes[CHECK_OUTPUT]);
    free(first);
}

/* Where time is measured nothing else is done. */
static void measure(size_t row, const sb_layer *layer, const sb_operands *operands) {
    const sb_kernel_function run = planted[row] ? planted[row] : real[row];
    const uint64_t begin = check_ticks();
    run(layer, operands);
    const uint64_t ticks = check_ticks() - begin;
    if (row == measured && ticks < least)
        least = ticks;
}

static void intercept(size_t row, const sb_layer *layer, const sb_operands *operands) {
    check_extents extents;
    if (measured < ROW_COUNT) {
        measure(row, layer, operands);
        return;
    }
    check_find_extents(contents, &stand_ins[row], layer, operands, &extents);
    check_name_arrays(layer);
    check_call_of(row, layer, operands, &extents);
}
