#include "generate.h"

#include "arm_emitter.h"
#include "arm_walks.h"
#include "machine_walks.h"

enum { MACHINE_ALIGNMENT = 64 };

/* What is left to write: functions of the layer at hand, and machine code. */
typedef struct sb_generator {
    sb_emitter emitter;
    sb_machine_walks *functions; /* NULL, as starts, while sizes are measured */
    size_t *starts;
    int32_t *filters; /* of the rows of all functions, one after the other */
    size_t function_count, threads;
} sb_generator;

/* How many pieces threads share a step in. */
static size_t pieces_of(size_t threads) {
    return threads > 1 ? threads * SB_PIECES : 1;
}

static bool divides_filters(const sb_step *step, size_t threads, size_t bundles) {
    const size_t tiles = sb_tiles_of(&step->layer.output, step->generated->info.vectors);
    return threads > 1 && !step->layer.buckets.regrouped &&
           sb_divides_filters(pieces_of(threads), tiles, bundles);
}

/* How many bundles: few, and as many for every thread where threads divide them. */
static size_t bundles_of(const sb_step *step, size_t threads) {
    const size_t walk_groups = (size_t)step->layer.buckets.walk_groups;
    const size_t together = (size_t)step->generated->info.together;
    const size_t fewest = (walk_groups + together - 1) / together;
    const size_t even = (fewest + threads - 1) / threads * threads;
    return even <= walk_groups && divides_filters(step, threads, even) ? even : fewest;
}

/* How many tiles run a function one after the other, in the smallest piece. */
static size_t tiles_in_a_row(const sb_step *step, size_t threads) {
    const int32_t vectors = step->generated->info.vectors;
    const size_t tiles = sb_tiles_of(&step->layer.output, vectors);
    const size_t parts =
        divides_filters(step, threads, bundles_of(step, threads)) ? 1 : pieces_of(threads);
    return sb_generated_tiles(tiles < parts ? 1 : tiles / parts, vectors);
}

static sb_walk_form form_of(const sb_step *step, size_t threads) {
    const sb_kernel_info *info = &step->generated->info;
    const bool codes = info->type == SB_TYPE_U8;
    return (sb_walk_form){.vectors = info->vectors,
                          .codes = codes,
                          .tiles = (int32_t)tiles_in_a_row(step, threads),
                          .registers = info->isa == SB_ISA_AVX2 ? 16 : 32,
                          .vector_bytes = info->lanes * (codes ? 2 : 4)};
}

/* One function, up to where the next begins; returns the lines that it fetches. */
static int32_t emit_function(sb_generator *generator, const sb_step *step, size_t begin,
                             size_t count) {
    sb_emitter *emitter = &generator->emitter;
    const sb_bucket_weights *weights = &step->layer.buckets;
    const sb_bucket_group *groups = weights->groups + begin;
    const sb_walk_form form = form_of(step, generator->threads);
    int32_t lines;
    if (step->generated->info.isa == SB_ISA_NEON) {
        lines = sb_emit_arm_walks(emitter, weights, groups, (int32_t)count, &form);
        sb_arm_align(emitter, MACHINE_ALIGNMENT);
    } else {
        lines = sb_emit_walks(emitter, weights, groups, (int32_t)count, &form);
        sb_emit_align(emitter, MACHINE_ALIGNMENT);
    }
    return lines;
}

/* Adds the function at `at` to the list, and what its rows have in common. */
static sb_machine_walks *describe(sb_generator *generator, const sb_bucket_group *groups,
                                  size_t begin, size_t count, size_t at) {
    sb_machine_walks *walks = generator->functions + generator->function_count;
    *walks = (sb_machine_walks){0};
    walks->run = (sb_walk_function)(uintptr_t)(generator->emitter.machine_code + at);
    walks->first = begin;
    walks->count = count;
    walks->filters = generator->filters;
    walks->opens = groups[begin].opens & 1;
    walks->closes = groups[begin].closes & 1;
    walks->uniform = true;
    for (size_t i = begin; i < begin + count; ++i)
        for (int32_t f = 0; f < groups[i].filters; ++f, ++walks->rows) {
            *generator->filters++ = groups[i].filter[f];
            walks->uniform &= (groups[i].opens >> f & 1) == walks->opens &&
                              (groups[i].closes >> f & 1) == walks->closes && !groups[i].lift[f];
        }
    return walks;
}

/* Walks [begin, end) of one chunk, in functions of at most as many as run together. */
static void emit_bundle(sb_generator *generator, const sb_step *step, size_t begin, size_t end) {
    const size_t together = (size_t)step->generated->info.together;
    while (begin < end) {
        const size_t pieces = (end - begin + together - 1) / together;
        const size_t count = (end - begin) / pieces, at = generator->emitter.size;
        const int32_t lines = emit_function(generator, step, begin, count);
        if (generator->functions)
            describe(generator, step->layer.buckets.groups, begin, count, at)->lines = lines;
        ++generator->function_count;
        begin += count;
    }
}

static size_t chunks_of(const sb_step *step) {
    return (size_t)step->layer.buckets.chunk_count * (size_t)step->layer.geometry.groups;
}

/* First walk of bundle b of a chunk, or, for b = bundles, the end of its walks. Walk groups are
 * shared out evenly among the bundles. */
static size_t first_walk(const sb_step *step, size_t chunk, size_t bundles, size_t b) {
    const size_t walk_groups = (size_t)step->layer.buckets.walk_groups;
    return step->layer.buckets.starts[chunk * walk_groups + b * walk_groups / bundles];
}

/* How many functions a bundle has in a chunk. */
static size_t functions_of(const sb_step *step, size_t chunk, size_t bundles, size_t b) {
    const size_t together = (size_t)step->generated->info.together;
    const size_t walks =
        first_walk(step, chunk, bundles, b + 1) - first_walk(step, chunk, bundles, b);
    return (walks + together - 1) / together;
}

static size_t count_functions(const sb_step *step, size_t bundles) {
    size_t count = 0;
    for (size_t chunk = 0; chunk < chunks_of(step); ++chunk)
        for (size_t b = 0; b < bundles; ++b)
            count += functions_of(step, chunk, bundles, b);
    return count;
}

static size_t count_rows(const sb_step *step) {
    const sb_bucket_weights *weights = &step->layer.buckets;
    const size_t walks = weights->starts[chunks_of(step) * (size_t)weights->walk_groups];
    size_t rows = 0;
    for (size_t i = 0; i < walks; ++i)
        rows += (size_t)weights->groups[i].filters;
    return rows;
}

/* Which function of the step is the first of each bundle in each chunk. */
static void list_starts(const sb_step *step, size_t bundles, size_t *starts) {
    *starts = 0;
    for (size_t chunk = 0; chunk < chunks_of(step); ++chunk)
        for (size_t b = 0; b < bundles; ++b, ++starts)
            starts[1] = starts[0] + functions_of(step, chunk, bundles, b);
}

/* Code lies in memory in the order in which it runs: what a function fetches ahead is then what
 * follows it. Where pieces have bundles of their own, that is piece after piece. */
static void emit_step(sb_generator *generator, const sb_step *step) {
    const size_t bundles = bundles_of(step, generator->threads);
    const size_t pieces =
        divides_filters(step, generator->threads, bundles) ? pieces_of(generator->threads) : 1;
    if (generator->starts)
        list_starts(step, bundles, generator->starts);
    for (size_t piece = 0; piece < pieces; ++piece) {
        const sb_operands operands = {.share = piece, .shares = pieces};
        size_t begin, end;
        sb_take_share(&operands, bundles, &begin, &end);
        for (size_t chunk = 0; chunk < chunks_of(step); ++chunk) {
            if (generator->starts)
                generator->function_count = generator->starts[chunk * bundles + begin];
            for (size_t b = begin; b < end; ++b)
                emit_bundle(generator, step, first_walk(step, chunk, bundles, b),
                            first_walk(step, chunk, bundles, b + 1));
        }
    }
}

/* Machine code and lists of functions of one step, in memory that has been measured. */
static bool write_step(sb_contents *contents, sb_generator *generator, sb_step *step) {
    const size_t bundles = bundles_of(step, generator->threads);
    generator->functions = sb_memory_take(&contents->memory, count_functions(step, bundles),
                                          sizeof *generator->functions);
    generator->starts =
        sb_memory_take(&contents->memory, chunks_of(step) * bundles + 1, sizeof *generator->starts);
    generator->filters =
        sb_memory_take(&contents->memory, count_rows(step), sizeof *generator->filters);
    if (!generator->functions || !generator->starts || !generator->filters)
        return false;
    emit_step(generator, step);
    step->layer.buckets.generated = (sb_generated_walks){.functions = generator->functions,
                                                         .starts = generator->starts,
                                                         .bundles = (int32_t)bundles};
    return true;
}

/* Bytes of machine code of the first steps that together stay below the limit; their number. */
static size_t measure(const sb_contents *contents, size_t *bytes) {
    size_t steps = 0;
    sb_generator generator = {.emitter = {.machine_code = NULL}, .threads = contents->threads};
    *bytes = 0;
    for (; steps < contents->step_count; ++steps) {
        if (contents->steps[steps].generated)
            emit_step(&generator, &contents->steps[steps]);
        if (generator.emitter.size > SB_MAX_MACHINE_CODE_BYTES)
            break;
        *bytes = generator.emitter.size;
    }
    return steps;
}

static bool write_steps(sb_contents *contents, size_t steps) {
    sb_generator generator = {.emitter = {.machine_code = contents->machine_memory.data,
                                          .capacity = contents->machine_memory.bytes},
                              .threads = contents->threads};
    for (size_t i = 0; i < steps; ++i)
        if (contents->steps[i].generated && !write_step(contents, &generator, &contents->steps[i]))
            return false;
    return sb_machine_memory_seal(&contents->machine_memory) == SB_OK;
}

static bool wants_machine_code(const sb_contents *contents) {
    for (size_t i = 0; i < contents->step_count; ++i)
        if (contents->steps[i].generated)
            return true;
    return false;
}

void sb_generate_machine_code(sb_contents *contents) {
    if (!wants_machine_code(contents))
        return;
    size_t bytes, steps = measure(contents, &bytes);
    if (sb_machine_memory_take(bytes, &contents->machine_memory) != SB_OK)
        return;
    if (!write_steps(contents, steps)) {
        sb_machine_memory_free(&contents->machine_memory);
        return;
    }
    contents->machine_code_bytes = bytes;
    for (size_t i = 0; i < steps; ++i)
        if (contents->steps[i].generated)
            contents->steps[i].kernel = contents->steps[i].generated;
}
