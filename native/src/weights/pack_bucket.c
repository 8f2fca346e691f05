#include "pack_bucket.h"

#include "kernels/view.h"

#include <string.h>

enum { MAX_LISTS = 256 }; /* 2^8, or 3^5, with pattern 0 */

int32_t sb_pack_chunk(const sb_geometry *geometry, const sb_view *input, int32_t chunk) {
    const int64_t reach =
        sb_tap_vectors(geometry, input, geometry->kernel_height - 1, geometry->kernel_width - 1);
    const int64_t taps = (int64_t)geometry->kernel_height * geometry->kernel_width;
    const int64_t channels = geometry->in_channels / geometry->groups;
    const int64_t limits[] = {UINT16_MAX + INT64_C(1) - reach, UINT16_MAX / taps, channels, chunk};
    int64_t fits = INT32_MAX;
    for (int i = 0; i < 4; ++i)
        fits = limits[i] < fits ? limits[i] : fits;
    return fits > 0 ? (int32_t)fits : 0;
}

/* Digit f (-1, 0, +1) of element i of the reflected base-3 Gray code. */
static int ternary_digit(int i, int f) {
    for (; f; --f)
        i /= 3;
    return i / 3 % 2 ? 1 - i % 3 : i % 3 - 1;
}

/* Where a group's patterns go. list[pattern]: its list of offsets, -1 for pattern 0. radix 2: the
 * pattern has a bit per filter, list = inverse Gray code - 1. radix 3: base-3 digits + 1; two
 * lists per bucket. Where pattern 0 is walked it is list 0, and the others follow. */
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

static void map_patterns(int32_t filters, const sb_pack_spec *spec, sb_pattern_map *map) {
    if (spec->radix == 3)
        map_ternary(filters, map);
    else
        map_binary(filters, map);
    if (!spec->zeros)
        return;
    ++map->lists;
    for (int i = 0; i < 256; ++i)
        ++map->list[i];
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

/* Inputs [begin, end) of one chunk for the filters of one walk group. Input p of a chunk is tap
 * p % kernel of its channel p / kernel. digits: of the convolution group, from the chunk's first
 * channel. */
typedef struct sb_pack_job {
    const sb_layer *layer;
    const sb_pack_spec *spec;
    const int8_t *digits;
    size_t kernel, filter_size, begin, end;
    int32_t member[SB_WALK_FILTERS], members;
} sb_pack_job;

/* The pack under construction: walks, counts and offsets are appended in walking order. */
typedef struct sb_pack_target {
    sb_bucket_group *groups; /* NULL, as the others, while sizes are measured */
    size_t *starts;
    uint16_t *counts, *offsets;
    size_t group_count, start_count, count_count, offset_count;
} sb_pack_target;

static size_t count_digits(const sb_pack_job *job, int32_t filter, int8_t digit) {
    const int8_t *digits = job->digits + (size_t)filter * job->filter_size;
    size_t count = 0;
    for (size_t p = job->begin; p < job->end; ++p)
        count += digits[p] == digit;
    return count;
}

static int32_t pattern_of(const sb_pack_job *job, size_t p) {
    int32_t pattern = 0;
    for (int32_t f = job->members - 1; f >= 0; --f) {
        const int8_t digit = job->digits[(size_t)job->member[f] * job->filter_size + p];
        pattern = job->spec->radix == 3 ? pattern * 3 + digit + 1 : pattern * 2 + digit;
    }
    return pattern;
}

/* Without offsets: counts the inputs of every list. With: writes them, counts being cursors. Taps
 * first, so that the offsets of a list ascend. */
static void visit(const sb_pack_job *job, const sb_pattern_map *map, size_t *counts,
                  uint16_t *offsets) {
    const sb_geometry *geometry = &job->layer->geometry;
    for (size_t tap = 0; tap < job->kernel; ++tap) {
        const int64_t vectors =
            sb_tap_vectors(geometry, &job->layer->input, (int32_t)tap / geometry->kernel_width,
                           (int32_t)tap % geometry->kernel_width);
        for (size_t p = tap; p < job->end; p += job->kernel) {
            const int32_t list = p < job->begin ? -1 : map->list[pattern_of(job, p)];
            if (list < 0)
                continue;
            if (offsets)
                offsets[counts[list]] = (uint16_t)(vectors + (int64_t)(p / job->kernel));
            ++counts[list];
        }
    }
}

static void write_group(const sb_pack_job *job, const sb_pack_target *target,
                        sb_bucket_group *group) {
    *group = (sb_bucket_group){.filters = job->members,
                               .counts_begin = target->count_count,
                               .offsets_begin = target->offset_count};
    for (int32_t f = 0; f < job->members; ++f) {
        group->filter[f] = job->member[f];
        if (job->spec->radix == 3)
            group->lift[f] = (uint16_t)(count_digits(job, job->member[f], -1) * job->spec->top);
    }
}

static void append(const sb_pack_job *job, sb_pack_target *target) {
    size_t counts[MAX_LISTS] = {0}, next = target->offset_count;
    sb_pattern_map map;
    map_patterns(job->members, job->spec, &map);
    visit(job, &map, counts, NULL);
    if (target->groups) {
        size_t cursors[MAX_LISTS];
        for (int32_t i = 0; i < map.lists; ++i) {
            target->counts[target->count_count + i] = (uint16_t)counts[i];
            cursors[i] = next;
            next += counts[i];
        }
        visit(job, &map, cursors, target->offsets);
        write_group(job, target, target->groups + target->group_count);
    } else {
        for (int32_t i = 0; i < map.lists; ++i)
            next += counts[i];
    }
    ++target->group_count;
    target->count_count += (size_t)map.lists;
    target->offset_count = next;
}

/* Filters without a non-zero digit among the inputs cost nothing; too many non-zero digits split
 * the inputs in halves. */
static void append_inputs(const sb_pack_job *whole, sb_pack_target *target) {
    sb_pack_job job = *whole;
    job.members = 0;
    for (int32_t f = 0; f < whole->members; ++f) {
        const size_t used = job.end - job.begin - count_digits(whole, whole->member[f], 0);
        if (used > (size_t)job.spec->bound) {
            sb_pack_job half = *whole;
            half.end = half.begin + (half.end - half.begin) / 2;
            append_inputs(&half, target);
            half.begin = half.end;
            half.end = whole->end;
            append_inputs(&half, target);
            return;
        }
        if (used || job.spec->zeros)
            job.member[job.members++] = whole->member[f];
    }
    if (job.members)
        append(&job, target);
}

/* The filters of a convolution group in walking order, for the chunk that begins at a channel; NULL
 * for their own order. */
static const int32_t *order_of(const sb_geometry *geometry, const sb_pack_spec *spec, int32_t group,
                               int32_t begin) {
    const int32_t filters = geometry->out_channels / geometry->groups;
    const int32_t channels = geometry->in_channels / geometry->groups;
    if (!spec->order)
        return NULL;
    const size_t chunks = ((size_t)channels + spec->order_chunk - 1) / spec->order_chunk;
    return spec->order + ((size_t)group * chunks + begin / spec->order_chunk) * filters;
}

/* Whether some filter's companions change from chunk to chunk. */
static bool regroups(const sb_geometry *geometry, const sb_pack_spec *spec) {
    const size_t filters = (size_t)(geometry->out_channels / geometry->groups);
    const int32_t channels = geometry->in_channels / geometry->groups;
    for (int32_t group = 0; spec->order && group < geometry->groups; ++group)
        for (int32_t begin = 0; begin < channels; begin += spec->order_chunk)
            if (memcmp(order_of(geometry, spec, group, 0), order_of(geometry, spec, group, begin),
                       filters * sizeof *spec->order))
                return true;
    return false;
}

/* All walks of all chunks of all convolution groups, in walking order. The filters of a
 * convolution group are shared out evenly among its walk groups. */
static void append_all(const sb_layer *layer, const int8_t *digits, const sb_pack_spec *spec,
                       sb_pack_target *target) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t filters = geometry->out_channels / geometry->groups;
    const int32_t channels = geometry->in_channels / geometry->groups;
    const int32_t walk_groups = (filters + spec->filters - 1) / spec->filters;
    const size_t kernel = (size_t)geometry->kernel_height * geometry->kernel_width;
    sb_pack_job job = {
        .layer = layer, .spec = spec, .kernel = kernel, .filter_size = channels * kernel};
    for (int32_t group = 0; group < geometry->groups; ++group)
        for (int32_t begin = 0; begin < channels; begin += spec->chunk) {
            const int32_t left = channels - begin;
            const int32_t *order = order_of(geometry, spec, group, begin);
            int32_t first = 0;
            job.digits = digits + (size_t)group * filters * job.filter_size + begin * kernel;
            for (int32_t i = 0; i < walk_groups; ++i, first += job.members) {
                if (target->starts)
                    target->starts[target->start_count] = target->group_count;
                ++target->start_count;
                job.begin = 0;
                job.end = (left < spec->chunk ? left : spec->chunk) * kernel;
                job.members = filters / walk_groups + (i < filters % walk_groups);
                for (int32_t f = 0; f < job.members; ++f)
                    job.member[f] = order ? order[first + f] : first + f;
                append_inputs(&job, target);
            }
        }
    if (target->starts)
        target->starts[target->start_count] = target->group_count;
    ++target->start_count;
}

/* Marks the walks [begin, end) of a convolution group that open and close the sum of a filter.
 * seen: a byte per filter of the group, zero. */
static void order_walks(sb_bucket_group *groups, size_t begin, size_t end, uint8_t *seen) {
    enum { OPENED = 1, CLOSED = 2 };
    for (size_t i = begin; i < end; ++i)
        for (int32_t f = 0; f < groups[i].filters; ++f) {
            uint8_t *filter = seen + groups[i].filter[f];
            groups[i].opens |= (uint8_t)(!(*filter & OPENED) << f);
            *filter |= OPENED;
        }
    for (size_t i = end; i-- > begin;)
        for (int32_t f = 0; f < groups[i].filters; ++f) {
            uint8_t *filter = seen + groups[i].filter[f];
            groups[i].closes |= (uint8_t)(!(*filter & CLOSED) << f);
            *filter |= CLOSED;
        }
}

/* opens, closes and merges; silent filters. */
static sb_status order_all(const sb_geometry *geometry, const sb_pack_target *target,
                           sb_memory *memory, sb_bucket_weights *weights) {
    const size_t filters = (size_t)(geometry->out_channels / geometry->groups);
    const size_t per_group = (size_t)weights->chunk_count * weights->walk_groups;
    int32_t *silent = sb_memory_take(memory, (size_t)geometry->out_channels, sizeof *silent);
    size_t *starts = sb_memory_take(memory, (size_t)geometry->groups + 1, sizeof *starts);
    uint8_t *seen = sb_memory_take(memory, (size_t)geometry->out_channels, sizeof *seen);
    if (!silent || !starts || !seen)
        return SB_OUT_OF_MEMORY;
    for (int32_t g = 0; g < geometry->groups; ++g, seen += filters) {
        order_walks(target->groups, target->starts[g * per_group],
                    target->starts[(g + 1) * per_group], seen);
        starts[g + 1] = starts[g];
        for (size_t k = 0; k < filters; ++k)
            if (!seen[k])
                silent[starts[g + 1]++] = (int32_t)k;
    }
    for (size_t i = 0; i < target->group_count; ++i)
        weights->merges |= target->groups[i].opens != target->groups[i].closes;
    weights->silent = silent;
    weights->silent_starts = starts;
    return SB_OK;
}

void sb_pack_lifts(const sb_geometry *geometry, const sb_bucket_weights *weights, int32_t *lift) {
    const size_t filters = (size_t)(geometry->out_channels / geometry->groups);
    const size_t per_group = (size_t)weights->chunk_count * weights->walk_groups;
    for (int32_t g = 0; g < geometry->groups; ++g)
        for (size_t i = weights->starts[g * per_group]; i < weights->starts[(g + 1) * per_group];
             ++i)
            for (int32_t f = 0; f < weights->groups[i].filters; ++f)
                lift[g * filters + weights->groups[i].filter[f]] += weights->groups[i].lift[f];
}

sb_status sb_pack_buckets(const sb_layer *layer, const int8_t *digits, const sb_pack_spec *spec,
                          sb_memory *memory, sb_bucket_weights *weights, size_t *bytes) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t filters = geometry->out_channels / geometry->groups;
    const int32_t channels = geometry->in_channels / geometry->groups;
    sb_pack_target target = {0};
    append_all(layer, digits, spec, &target);
    target.groups = sb_memory_take(memory, target.group_count, sizeof *target.groups);
    target.starts = sb_memory_take(memory, target.start_count, sizeof *target.starts);
    target.counts = sb_memory_take(memory, target.count_count, sizeof *target.counts);
    target.offsets = sb_memory_take(memory, target.offset_count + 1, sizeof *target.offsets);
    if (!target.groups || !target.starts || !target.counts || !target.offsets)
        return SB_OUT_OF_MEMORY;
    target.group_count = target.start_count = target.count_count = target.offset_count = 0;
    append_all(layer, digits, spec, &target);
    sb_bucket_weights packed = {.groups = target.groups,
                                .starts = target.starts,
                                .counts = target.counts,
                                .offsets = target.offsets,
                                .walk_groups = (filters + spec->filters - 1) / spec->filters,
                                .chunk = spec->chunk,
                                .chunk_count = (channels + spec->chunk - 1) / spec->chunk,
                                .radix = spec->radix,
                                .zeros = spec->zeros,
                                .regrouped = regroups(geometry, spec)};
    const sb_status status = order_all(geometry, &target, memory, &packed);
    set_flips(&packed);
    if (status != SB_OK)
        return status;
    *weights = packed;
    *bytes = (target.count_count + target.offset_count) * sizeof *target.offsets;
    return SB_OK;
}
