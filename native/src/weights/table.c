/* Linear layers that look sums of inputs up. */
#include "checked.h"
#include "codes.h"
#include "complain.h"
#include "kernels/table/table_format.h"

/* Cells of a filter: bit j of cell c is set where digit c * inputs + j is `sign`. */
typedef struct sb_cell_rows {
    const int8_t *digits;
    int32_t channels, filters, inputs;
    int8_t sign;
} sb_cell_rows;

/* The cell from input `first` on of a vector of filters, the lower byte first. */
static void pack_vector(const sb_cell_rows *rows, int32_t filter, int32_t first, uint8_t *target) {
    const int32_t bytes = rows->inputs / 8, left = rows->channels - first;
    const int32_t count = left < rows->inputs ? left : rows->inputs;
    for (int32_t i = 0; i < SB_TABLE_VECTOR; ++i, target += bytes) {
        const int32_t k = filter + sb_table_filter(i);
        const int8_t *digits = rows->digits + (size_t)k * (size_t)rows->channels + first;
        unsigned bits = 0;
        for (int32_t j = 0; k < rows->filters && j < count; ++j)
            bits |= (unsigned)(digits[j] == rows->sign) << j;
        for (int32_t byte = 0; byte < bytes; ++byte)
            target[byte] = (uint8_t)(bits >> 8 * byte);
    }
}

/* All cells of a sign of the filters from `filter` on, a block of them at most; returns the end. */
static uint8_t *pack_block(const sb_cell_rows *rows, int32_t filter, int32_t block,
                           uint8_t *target) {
    const int32_t end = rows->filters - filter < block ? rows->filters : filter + block;
    for (int32_t first = 0; first < rows->channels; first += rows->inputs)
        for (int32_t k = filter; k < end; k += SB_TABLE_VECTOR) {
            pack_vector(rows, k, first, target);
            target += SB_TABLE_VECTOR * (rows->inputs / 8);
        }
    return target;
}

/* Bytes of all cells, false where they do not fit. */
static bool packed_size(const sb_geometry *geometry, int32_t block, int32_t signs, size_t *size) {
    const size_t filters = (size_t)geometry->out_channels;
    *size = (filters + SB_TABLE_VECTOR - 1) / SB_TABLE_VECTOR * SB_TABLE_VECTOR;
    return sb_checked_multiply(size, (size_t)signs * (size_t)SB_CELL_INPUTS(block) / 8) &&
           sb_checked_multiply(size, sb_table_cells((size_t)geometry->in_channels, block));
}

/* digits [K][C] as table_format.h has them; NULL where there is no memory. */
static uint8_t *pack_cells(const sb_weight_job *job, const int8_t *digits, int32_t signs) {
    const sb_geometry *geometry = &job->step->layer.geometry;
    const int32_t block = job->step->kernel->info.filters;
    sb_cell_rows rows = {digits, geometry->in_channels, geometry->out_channels,
                         SB_CELL_INPUTS(block), 1};
    size_t size;
    if (!packed_size(geometry, block, signs, &size))
        return NULL;
    uint8_t *packed = sb_memory_take(&job->builder->contents.memory, size, 1), *next = packed;
    for (int32_t filter = 0; packed && filter < rows.filters; filter += block)
        for (int32_t sign = 0; sign < signs; ++sign) {
            rows.sign = sign ? -1 : 1;
            next = pack_block(&rows, filter, block, next);
        }
    job->step->packed_bytes = size;
    return packed;
}

static sb_status pack(const sb_weight_job *job) {
    const sb_code_spec *codes = &job->codes;
    const int32_t radix = sb_pack_radix(codes);
    sb_memory temporary = {NULL};
    sb_table_weights *tables = &job->step->layer.tables;
    int8_t *digits = sb_memory_take(&temporary, job->count, sizeof *digits);
    tables->signs = radix == 3 ? 2 : 1;
    if (digits) {
        sb_pack_digits(codes, radix, digits);
        tables->masks = pack_cells(job, digits, tables->signs);
    }
    sb_memory_free(&temporary);
    if (!tables->masks)
        return sb_complain(job->builder, SB_OUT_OF_MEMORY, "no memory for packed weights");
    return sb_set_factors(job, radix, NULL);
}

/* Tables, then the sums of whole blocks of filters. */
static sb_status reserve(const sb_weight_job *job) {
    const int32_t block = job->step->kernel->info.filters;
    size_t sums = ((size_t)job->codes.filters + (size_t)block - 1) / (size_t)block * (size_t)block;
    if (!sb_checked_multiply(&sums, SB_TABLE_IMAGES * sizeof(int32_t)) ||
        !sb_checked_add(&sums, sb_table_room(job->codes.taps, block)))
        return sb_complain(job->builder, SB_OVERFLOW, "the sums of a step do not fit memory");
    job->step->share_scratch_bytes = sums;
    return SB_OK;
}

const sb_weight_family sb_table_family = {
    .strategy = SB_STRATEGY_TABLE, .form = SB_FORM_CODES, .pack = pack, .scratch = reserve};
