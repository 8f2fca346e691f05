/* Bucket walks. */
#include "codes.h"
#include "complain.h"
#include "kernels/view.h"
#include "pack_bucket.h"

static sb_status check_tile(const sb_weight_job *job) {
    const sb_tile_spec *tile = &job->spec->tile;
    if (tile->filters < 1 || tile->filters > SB_MAX_FILTERS || tile->vectors < 1 ||
        tile->vectors > SB_MAX_VECTORS || tile->chunk < 1)
        return sb_complain(job->builder, SB_INVALID_ARGUMENT,
                           "tile: %d filters, %d vectors, chunk %d; allowed: 1..%d filters, "
                           "1..%d vectors, chunk >= 1",
                           tile->filters, tile->vectors, tile->chunk, SB_MAX_FILTERS,
                           SB_MAX_VECTORS);
    if ((unsigned)tile->mode > SB_WALK_TWO_GROUPS)
        return sb_complain(job->builder, SB_INVALID_ARGUMENT, "tile: walk mode %d is none",
                           (int)tile->mode);
    return SB_OK;
}

/* Whether rows of `filters` numbers are permutations; seen: `filters` zeros. */
static bool permutes(const int32_t *order, size_t rows, size_t filters, size_t *seen) {
    for (size_t row = 1; row <= rows; ++row)
        for (size_t i = 0; i < filters; ++i, ++order) {
            if (*order < 0 || (size_t)*order >= filters || seen[*order] == row)
                return false;
            seen[*order] = row;
        }
    return true;
}

static sb_status check_order(const sb_weight_job *job) {
    const sb_geometry *geometry = &job->step->layer.geometry;
    const sb_order *order = &job->spec->order;
    const size_t filters = (size_t)(geometry->out_channels / geometry->groups);
    const size_t channels = (size_t)(geometry->in_channels / geometry->groups);
    const size_t chunk = (size_t)job->spec->tile.chunk;
    const size_t rows = (channels + chunk - 1) / chunk * (size_t)geometry->groups;
    if (!order->data && !order->count)
        return SB_OK;
    sb_memory temporary = {NULL};
    size_t *seen = sb_memory_take(&temporary, filters, sizeof *seen);
    if (!seen)
        return sb_complain(job->builder, SB_OUT_OF_MEMORY, "no memory for the order of filters");
    bool fits =
        order->data && order->count == rows * filters && permutes(order->data, rows, filters, seen);
    sb_memory_free(&temporary);
    for (size_t i = filters; fits && job->step->linear && i < order->count; ++i)
        fits = order->data[i] == order->data[i - filters];
    if (fits)
        return SB_OK;
    return sb_complain(job->builder, SB_INVALID_ARGUMENT,
                       "order of filters: %zu numbers; allowed: %zu permutations of %zu, for a "
                       "linear layer all the same",
                       order->count, rows, filters);
}

static sb_status check(const sb_weight_job *job) {
    const sb_status status = check_tile(job);
    return status == SB_OK ? check_order(job) : status;
}

/* The kernel for the tile; step->generated: the one that takes its place where the walks become
 * machine code, in the lanes that values of the program have. */
static void query(const sb_weight_job *job, sb_kernel_query *query) {
    const sb_tile_spec *tile = &job->spec->tile;
    sb_step *step = job->step;
    query->filters = tile->filters;
    query->vectors = tile->vectors;
    query->generated = job->builder->generates && tile->generated;
    if (query->generated)
        step->generated = sb_registry_find(query);
    if (step->generated && step->generated->info.lanes != sb_isa_lanes(query->isa, query->type))
        step->generated = NULL;
    query->generated = false;
    if (tile->generated)
        query->vectors = SB_MAX_VECTORS;
}

/* The largest chunk whose offsets fit. */
static sb_status find_chunk(const sb_weight_job *job, int32_t *chunk) {
    const sb_layer *layer = &job->step->layer;
    *chunk = sb_pack_chunk(&layer->geometry, &layer->input, job->spec->tile.chunk);
    if (*chunk >= 1)
        return SB_OK;
    return sb_complain(job->builder, SB_UNSUPPORTED,
                       "a window of %d x %d over rows of %d does not fit 16-bit offsets; use the "
                       "dense strategy",
                       layer->geometry.kernel_height, layer->geometry.kernel_width,
                       sb_view_columns(&layer->input));
}

static sb_status pack_digits(const sb_weight_job *job, const sb_pack_spec *spec) {
    sb_memory temporary = {NULL};
    sb_layer *layer = &job->step->layer;
    int8_t *digits = sb_memory_take(&temporary, job->count, sizeof *digits);
    int32_t *lift = sb_memory_take(&temporary, (size_t)job->codes.filters, sizeof *lift);
    sb_status status = SB_OUT_OF_MEMORY;
    if (digits && lift) {
        sb_pack_digits(&job->codes, spec->radix, digits);
        status = sb_pack_buckets(layer, digits, spec, &job->builder->contents.memory,
                                 &layer->buckets, &job->step->packed_bytes);
    }
    if (status != SB_OK) {
        status = sb_complain(job->builder, status, "no memory for packed weights");
    } else {
        sb_pack_lifts(&layer->geometry, &layer->buckets, lift);
        status = sb_set_factors(job, spec->radix, lift);
    }
    sb_memory_free(&temporary);
    return status;
}

/* Positions per block. On small maps of floats it is the whole map, so that a group's offsets are
 * read from memory once and then serve every tile from the first cache. Otherwise it is one tile,
 * whose inputs stay in the first cache while all groups pass over them: vectors of codes are as
 * large, but hold twice the pixels, so that small maps have few tiles. */
static int32_t block_positions(const sb_step *step) {
    const sb_view *output = &step->layer.output;
    const int64_t positions = (int64_t)output->block_height * output->block_width;
    return step->kernel->info.type == SB_TYPE_F32 && positions <= SB_BLOCK_POSITIONS
               ? (int32_t)positions
               : 0;
}

static sb_status pack(const sb_weight_job *job) {
    const sb_tile_spec *tile = &job->spec->tile;
    const sb_geometry *geometry = &job->step->layer.geometry;
    const int32_t channels = geometry->in_channels / geometry->groups;
    const int32_t top = job->builder->contents.values[job->step->input].top;
    sb_pack_spec spec = {.filters = tile->filters,
                         .radix = tile->mode == SB_WALK_TWO_GROUPS ? 3 : sb_pack_radix(&job->codes),
                         .bound = sb_input_type(job) == SB_TYPE_U8 ? sb_pack_bound(top) : INT32_MAX,
                         .top = top,
                         .zeros = tile->mode == SB_WALK_ZEROS,
                         .order = job->spec->order.data,
                         .order_chunk = tile->chunk < channels ? tile->chunk : channels};
    if (spec.radix == 3 && tile->filters > SB_TERNARY_FILTERS)
        return sb_complain(job->builder, SB_INVALID_ARGUMENT,
                           "tile: %d filters; allowed: 1..%d for ternary weights and two groups",
                           tile->filters, SB_TERNARY_FILTERS);
    sb_status status = find_chunk(job, &spec.chunk);
    if (status == SB_OK)
        status = pack_digits(job, &spec);
    job->step->layer.buckets.block = job->step->linear ? 0 : block_positions(job->step);
    return status;
}

/* Sums of codes wait for those of later walks: of one block; generated walks have the largest
 * blocks on every map. */
static size_t waiting_positions(const sb_step *step) {
    if (!step->layer.buckets.merges)
        return 0;
    return step->generated ? SB_BLOCK_POSITIONS + SB_MAX_VECTORS
                           : sb_block_tiles(&step->layer, step->kernel->info.vectors) *
                                 (size_t)step->kernel->info.vectors;
}

static sb_status reserve(const sb_weight_job *job) {
    job->step->share_scratch_bytes = sb_sums_scratch(job->step, waiting_positions(job->step));
    return SB_OK;
}

const sb_weight_family sb_bucket_family = {.strategy = SB_STRATEGY_BUCKET,
                                           .form = SB_FORM_CODES,
                                           .check = check,
                                           .query = query,
                                           .pack = pack,
                                           .scratch = reserve};
