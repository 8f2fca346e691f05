#include "families.h"

#include "codes.h"
#include "complain.h"
#include "kernels/view.h"
#include "operands/operands.h"
#include "pack_bucket.h"
#include "step.h"

#include <string.h>

static sb_status check_tile(sb_builder *builder, const sb_tile_spec *tile) {
    if (tile->filters < 1 || tile->filters > SB_MAX_FILTERS || tile->vectors < 1 ||
        tile->vectors > SB_MAX_VECTORS || tile->chunk < 1)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "tile: %d filters, %d vectors, chunk %d; allowed: 1..%d filters, "
                           "1..%d vectors, chunk >= 1",
                           tile->filters, tile->vectors, tile->chunk, SB_MAX_FILTERS,
                           SB_MAX_VECTORS);
    if ((unsigned)tile->mode > SB_WALK_TWO_GROUPS)
        return sb_complain(builder, SB_INVALID_ARGUMENT, "tile: walk mode %d is none",
                           (int)tile->mode);
    return SB_OK;
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

/* Sums of codes wait for those of later walks: of one block; generated walks have the largest
 * blocks on every map. */
static size_t waiting_positions(const sb_step *step) {
    if (!step->layer.buckets.merges)
        return 0;
    return step->generated ? SB_BLOCK_POSITIONS + SB_MAX_VECTORS
                           : sb_block_tiles(&step->layer, step->kernel->info.vectors) *
                                 (size_t)step->kernel->info.vectors;
}

static void reserve_scratch(sb_step *step) {
    step->layer.buckets.block = step->batched ? 0 : block_positions(step);
    const size_t bytes = sb_sums_scratch(step, waiting_positions(step));
    if (bytes > step->share_scratch_bytes)
        step->share_scratch_bytes = bytes;
}

/* The kernel for the tile, its operands, and the largest chunk whose offsets fit. */
static sb_status place_codes(sb_builder *builder, const sb_tile_spec *tile, const char *op,
                             sb_step *step, int32_t *chunk) {
    const sb_type type = builder->contents.values[step->input].type;
    const bool generated = builder->generates && tile->generated;
    sb_kernel_query query = {"bucket",      op,       builder->isa, type, tile->filters,
                             tile->vectors, generated};
    if (generated)
        step->generated = sb_registry_find(&query);
    /* The values of a program have the lanes of its own instruction set. */
    if (step->generated && step->generated->info.lanes != sb_isa_lanes(builder->isa, type))
        step->generated = NULL;
    query.generated = false;
    query.vectors = tile->generated ? SB_MAX_VECTORS : tile->vectors;
    sb_status status = sb_find_kernel(builder, &query, step);
    if (status == SB_OK)
        status = sb_place_layer(builder, op, step);
    if (status != SB_OK)
        return status;
    *chunk = sb_pack_chunk(&step->layer.geometry, &step->layer.input, tile->chunk);
    if (*chunk < 1)
        return sb_complain(builder, SB_UNSUPPORTED,
                           "a window of %d x %d over rows of %d does not fit 16-bit offsets; use "
                           "the dense strategy",
                           step->layer.geometry.kernel_height, step->layer.geometry.kernel_width,
                           sb_view_columns(&step->layer.input));
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

static sb_status check_order(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                             const sb_geometry *geometry) {
    const sb_order *order = &spec->order;
    const size_t filters = (size_t)(geometry->out_channels / geometry->groups);
    const size_t channels = (size_t)(geometry->in_channels / geometry->groups);
    const size_t chunk = (size_t)spec->tile.chunk;
    const size_t rows = (channels + chunk - 1) / chunk * (size_t)geometry->groups;
    if (!order->data && !order->count)
        return SB_OK;
    sb_memory temporary = {NULL};
    size_t *seen = sb_memory_take(&temporary, filters, sizeof *seen);
    if (!seen)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for the order of filters");
    bool fits =
        order->data && order->count == rows * filters && permutes(order->data, rows, filters, seen);
    sb_memory_free(&temporary);
    for (size_t i = filters; fits && !strcmp(op, "linear") && i < order->count; ++i)
        fits = order->data[i] == order->data[i - filters];
    if (fits)
        return SB_OK;
    return sb_complain(builder, SB_INVALID_ARGUMENT,
                       "order of filters: %zu numbers; allowed: %zu permutations of %zu, for a "
                       "linear layer all the same",
                       order->count, rows, filters);
}

static sb_status pack_codes(sb_builder *builder, const sb_weight_spec *spec, sb_step *step,
                            const sb_code_spec *codes, int32_t chunk) {
    const sb_tile_spec *tile = &spec->tile;
    const int32_t channels = step->layer.geometry.in_channels / step->layer.geometry.groups;
    const bool sums_codes = step->kernel->info.type == SB_TYPE_U8;
    const int32_t top = builder->contents.values[step->input].top;
    const int32_t radix = tile->mode == SB_WALK_TWO_GROUPS ? 3 : sb_pack_radix(codes);
    const sb_pack_spec pack = {.filters = tile->filters,
                               .radix = radix,
                               .chunk = chunk,
                               .bound = sums_codes ? sb_pack_bound(top) : INT32_MAX,
                               .top = top,
                               .zeros = tile->mode == SB_WALK_ZEROS,
                               .order = spec->order.data,
                               .order_chunk = tile->chunk < channels ? tile->chunk : channels};
    if (radix == 3 && tile->filters > SB_TERNARY_FILTERS)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "tile: %d filters; allowed: 1..%d for ternary weights and two groups",
                           tile->filters, SB_TERNARY_FILTERS);
    sb_memory temporary = {NULL};
    sb_layer *layer = &step->layer;
    int8_t *digits =
        sb_memory_take(&temporary, codes->taps * (size_t)codes->filters, sizeof *digits);
    int32_t *lift = sb_memory_take(&temporary, (size_t)codes->filters, sizeof *lift);
    sb_status status = SB_OUT_OF_MEMORY;
    if (digits && lift) {
        sb_pack_digits(codes, radix, digits);
        status = sb_pack_buckets(layer, digits, &pack, &builder->contents.memory, &layer->buckets);
    }
    if (status != SB_OK)
        status = sb_complain(builder, status, "no memory for packed weights");
    if (status == SB_OK) {
        sb_pack_lifts(&layer->geometry, &layer->buckets, lift);
        status = sb_set_factors(builder, codes, radix, lift, step);
    }
    sb_memory_free(&temporary);
    return status;
}

sb_status sb_install_buckets(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                             size_t count, sb_step *step) {
    sb_code_spec codes;
    int32_t chunk = 0;
    sb_status status = sb_read_codes(builder, spec, count, step, &codes);
    if (status == SB_OK)
        status = check_tile(builder, &spec->tile);
    if (status == SB_OK)
        status = place_codes(builder, &spec->tile, op, step, &chunk);
    if (status == SB_OK)
        status = check_order(builder, spec, op, &step->layer.geometry);
    if (status == SB_OK)
        status = pack_codes(builder, spec, step, &codes, chunk);
    const bool total = step->kernel && (step->kernel->info.type == SB_TYPE_F32 ||
                                        step->layer.sums.twice || codes.offset);
    if (status == SB_OK && total)
        status = sb_reserve_totals(builder, op, step);
    if (status == SB_OK)
        reserve_scratch(step);
    return status;
}
