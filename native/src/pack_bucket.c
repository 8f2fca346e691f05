#include "checked.h"
#include "kernels/view.h"
#include "pack.h"

enum { MAX_BUCKETS = 255, MAX_PATTERNS = 81 }; /* 2^8 - 1; 3^4 */

/* Vectors from a window's first input to that of tap (r, s); nothing for a linear layer. */
static int64_t tap_vectors(const sb_geometry *geometry, const sb_view *input, int32_t r,
                           int32_t s) {
    const int64_t columns = input->lanes ? sb_view_columns(input) : 0;
    return ((int64_t)r * geometry->dilation_height * columns +
            (int64_t)s * geometry->dilation_width) *
           input->pitch;
}

int32_t sb_pack_chunk(const sb_geometry *geometry, const sb_view *input, int32_t chunk) {
    const int64_t reach =
        tap_vectors(geometry, input, geometry->kernel_height - 1, geometry->kernel_width - 1);
    const int64_t taps = (int64_t)geometry->kernel_height * geometry->kernel_width;
    const int64_t channels = geometry->in_channels / geometry->groups;
    const int64_t limits[] = {UINT16_MAX + INT64_C(1) - reach, UINT16_MAX / taps, channels, chunk};
    int64_t fits = INT32_MAX;
    for (int i = 0; i < 4; ++i)
        fits = limits[i] < fits ? limits[i] : fits;
    return fits > 0 ? (int32_t)fits : 0;
}

typedef struct sb_signs {
    bool minus, zero, plus;
} sb_signs;

static sb_signs signs_of(const sb_code_spec *spec, int32_t filter) {
    sb_signs signs = {false, false, false};
    for (size_t i = 0; i < spec->taps; ++i) {
        const int8_t code = spec->codes[(size_t)filter * spec->taps + i];
        signs.minus |= code < 0;
        signs.zero |= code == 0;
        signs.plus |= code > 0;
    }
    return signs;
}

int32_t sb_pack_radix(const sb_code_spec *spec) {
    for (int32_t k = 0; k < spec->filters; ++k) {
        const sb_signs signs = signs_of(spec, k);
        if (signs.minus && signs.zero && signs.plus)
            return 3;
    }
    return 2;
}

void sb_pack_digits(const sb_code_spec *spec, int32_t radix, int8_t *digits, float *factor,
                    float *shift) {
    for (int32_t k = 0; k < spec->filters; ++k) {
        const sb_signs signs = signs_of(spec, k);
        const bool binary = radix == 2 && signs.minus && signs.plus;
        const bool negative = radix == 2 && signs.minus && !signs.plus;
        const float scale = spec->scale[k], offset = spec->offset ? spec->offset[k] : 0.0f;
        factor[k] = binary ? 2.0f * scale : negative ? -scale : scale;
        shift[k] = binary ? offset - scale : offset;
        for (size_t i = 0; i < spec->taps; ++i) {
            const int8_t code = spec->codes[(size_t)k * spec->taps + i];
            digits[(size_t)k * spec->taps + i] = (int8_t)(binary     ? code > 0
                                                          : negative ? -code
                                                                     : code);
        }
    }
}

/* Digit f (-1, 0, +1) of element i of the reflected base-3 Gray code. */
static int ternary_digit(int i, int f) {
    for (; f; --f)
        i /= 3;
    return i / 3 % 2 ? 1 - i % 3 : i % 3 - 1;
}

/* Where a group's patterns go. list[pattern]: its list of offsets, -1 for pattern 0. radix 2: the
 * pattern has a bit per filter, list = inverse Gray code - 1. radix 3: base-3 digits + 1; two
 * lists per bucket. */
typedef struct sb_pattern_map {
    int32_t lists;
    int16_t list[256];
} sb_pattern_map;

static void map_binary(int32_t filters, sb_pattern_map *map) {
    map->lists = (1 << filters) - 1;
    for (int i = 0; i <= map->lists; ++i)
        map->list[i ^ (i >> 1)] = (int16_t)(i - 1);
}

static void map_ternary(int32_t filters, sb_pattern_map *map) {
    int patterns = 1;
    for (int32_t f = 0; f < filters; ++f)
        patterns *= 3;
    const int middle = patterns / 2;
    map->lists = 2 * middle;
    for (int i = 0; i < patterns; ++i) {
        int pattern = 0;
        for (int f = filters - 1; f >= 0; --f)
            pattern = pattern * 3 + ternary_digit(i, f) + 1;
        map->list[pattern] = (int16_t)(i == middle  ? -1
                                       : i > middle ? 2 * (i - middle - 1)
                                                    : 2 * (middle - i - 1) + 1);
    }
}

static void set_flips(sb_bucket_weights *weights) {
    int patterns = 3;
    for (int filters = 1; filters <= SB_TERNARY_FILTERS; ++filters, patterns *= 3)
        for (int i = patterns / 2 + 1; i + 1 < patterns; ++i) {
            int f = 0;
            while (ternary_digit(i, f) == ternary_digit(i + 1, f))
                ++f;
            const bool up = ternary_digit(i + 1, f) > ternary_digit(i, f);
            weights->flips[filters - 1][i - patterns / 2 - 1] = (uint8_t)(f | (up ? 0x80 : 0));
        }
}

/* One chunk of one group of filters. digits: of its first filter and the chunk's first channel. */
typedef struct sb_pack_job {
    const sb_layer *layer;
    const int8_t *digits;
    int32_t channels, filters, radix;
    sb_pattern_map map;
} sb_pack_job;

static int32_t list_of(const sb_pack_job *job, size_t tap) {
    const sb_geometry *geometry = &job->layer->geometry;
    const size_t filter_size = (size_t)(geometry->in_channels / geometry->groups) *
                               geometry->kernel_height * geometry->kernel_width;
    int32_t pattern = 0;
    for (int32_t f = job->filters - 1; f >= 0; --f) {
        const int8_t digit = job->digits[(size_t)f * filter_size + tap];
        pattern = job->radix == 3 ? pattern * 3 + digit + 1 : pattern * 2 + digit;
    }
    return job->map.list[pattern];
}

/* Without offsets: counts the inputs of every list. With: writes them, counts being cursors. */
static void visit(const sb_pack_job *job, size_t *counts, uint16_t *offsets) {
    const sb_geometry *geometry = &job->layer->geometry;
    const size_t kernel = (size_t)geometry->kernel_height * geometry->kernel_width;
    for (int32_t r = 0; r < geometry->kernel_height; ++r)
        for (int32_t s = 0; s < geometry->kernel_width; ++s)
            for (int32_t c = 0; c < job->channels; ++c) {
                const size_t tap = (size_t)c * kernel + (size_t)r * geometry->kernel_width + s;
                const int32_t list = list_of(job, tap);
                if (list < 0)
                    continue;
                if (offsets)
                    offsets[counts[list]] =
                        (uint16_t)(tap_vectors(geometry, &job->layer->input, r, s) + c);
                ++counts[list];
            }
}

/* The pack under construction: groups, counts and offsets are appended in walking order. */
typedef struct sb_pack_target {
    sb_bucket_group *groups;
    uint16_t *counts, *offsets; /* NULL while sizes are measured */
    size_t group_count, count_count, offset_count;
} sb_pack_target;

static void append(const sb_pack_job *job, int32_t first_filter, sb_pack_target *target) {
    size_t counts[MAX_BUCKETS] = {0}, next = target->offset_count;
    visit(job, counts, NULL);
    if (target->offsets) {
        size_t cursors[MAX_BUCKETS];
        for (int32_t i = 0; i < job->map.lists; ++i) {
            target->counts[target->count_count + i] = (uint16_t)counts[i];
            cursors[i] = next;
            next += counts[i];
        }
        visit(job, cursors, target->offsets);
        target->groups[target->group_count] = (sb_bucket_group){
            first_filter, job->filters, target->count_count, target->offset_count};
    } else {
        for (int32_t i = 0; i < job->map.lists; ++i)
            next += counts[i];
    }
    ++target->group_count;
    target->count_count += (size_t)job->map.lists;
    target->offset_count = next;
}

/* All groups of filters of all chunks of all convolution groups, in walking order. The filters of
 * a convolution group are shared out evenly. */
static void append_all(const sb_layer *layer, const int8_t *digits, const sb_pack_spec *spec,
                       sb_pack_target *target) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t filters = geometry->out_channels / geometry->groups;
    const int32_t channels = geometry->in_channels / geometry->groups;
    const int32_t walk_groups = (filters + spec->filters - 1) / spec->filters;
    const size_t kernel = (size_t)geometry->kernel_height * geometry->kernel_width;
    const size_t filter_size = (size_t)channels * kernel;
    sb_pack_job job = {.layer = layer, .radix = spec->radix};
    for (int32_t group = 0; group < geometry->groups; ++group)
        for (int32_t begin = 0; begin < channels; begin += spec->chunk) {
            job.channels = channels - begin < spec->chunk ? channels - begin : spec->chunk;
            for (int32_t i = 0, first = 0; i < walk_groups; ++i, first += job.filters) {
                job.filters = filters / walk_groups + (i < filters % walk_groups);
                job.digits = digits + ((size_t)group * filters + first) * filter_size +
                             (size_t)begin * kernel;
                if (spec->radix == 3)
                    map_ternary(job.filters, &job.map);
                else
                    map_binary(job.filters, &job.map);
                append(&job, first, target);
            }
        }
}

sb_status sb_pack_buckets(const sb_layer *layer, const int8_t *digits, const sb_pack_spec *spec,
                          sb_memory *memory, sb_bucket_weights *weights) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t filters = geometry->out_channels / geometry->groups;
    const int32_t channels = geometry->in_channels / geometry->groups;
    sb_pack_target target = {0};
    append_all(layer, digits, spec, &target);
    target.groups = sb_memory_take(memory, target.group_count, sizeof *target.groups);
    target.counts = sb_memory_take(memory, target.count_count, sizeof *target.counts);
    target.offsets = sb_memory_take(memory, target.offset_count + 1, sizeof *target.offsets);
    if (!target.groups || !target.counts || !target.offsets)
        return SB_OUT_OF_MEMORY;
    target.group_count = target.count_count = target.offset_count = 0;
    append_all(layer, digits, spec, &target);
    *weights = (sb_bucket_weights){.groups = target.groups,
                                   .counts = target.counts,
                                   .offsets = target.offsets,
                                   .walk_groups = (filters + spec->filters - 1) / spec->filters,
                                   .chunk = spec->chunk,
                                   .chunk_count = (channels + spec->chunk - 1) / spec->chunk,
                                   .radix = spec->radix};
    set_flips(weights);
    return SB_OK;
}
