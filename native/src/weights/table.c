/* Linear layers that look sums of inputs up. */
#include "checked.h"
#include "codes.h"
#include "complain.h"
#include "kernels/table/table_format.h"

/* Cells of a sign: bit j of cell c of a filter is set where its digit c * inputs + j is that sign.
 */
typedef struct sb_cell_rows {
    sb_table_format format;
    const int8_t *digits;
    int32_t channels, filters;
    int8_t sign;
} sb_cell_rows;

static sb_table_format format_of(const sb_weight_job *job) {
    const bool codes = sb_input_type(job) == SB_TYPE_U8 || job->spec->coded_rows;
    return sb_table_format_of(codes, job->step->kernel->info.filters);
}

/* The cell from input `first` on of a vector of filters, the lower bytes first. */
static void pack_vector(const sb_cell_rows *rows, int32_t filter, int32_t first, uint8_t *target) {
    const sb_table_format *format = &rows->format;
    const int32_t left = rows->channels - first;
    const int32_t count = left < format->inputs ? left : format->inputs;
    for (int32_t i = 0; i < format->vector; ++i, target += format->bytes) {
        const int32_t k = filter + sb_table_filter(format->vector, i);
        const int8_t *digits = rows->digits + (size_t)k * (size_t)rows->channels + first;
        uint32_t bits = 0;
        for (int32_t j = 0; k < rows->filters && j < count; ++j)
            bits |= (uint32_t)(digits[j] == rows->sign) << j;
        for (int32_t byte = 0; byte < format->bytes; ++byte)
            target[byte] = (uint8_t)(bits >> 8 * byte);
    }
}

/* All cells of a sign of the filters from `filter` on, a block of them at most; returns the end. */
static uint8_t *pack_block(const sb_cell_rows *rows, int32_t filter, int32_t block,
                           uint8_t *target) {
    const int32_t end = rows->filters - filter < block ? rows->filters : filter + block;
    for (int32_t first = 0; first < rows->channels; first += rows->format.inputs)
        for (int32_t k = filter; k < end; k += rows->format.vector) {
            pack_vector(rows, k, first, target);
            target += rows->format.vector * rows->format.bytes;
        }
    return target;
}

/* Bytes of all cells, false where they do not fit. */
static bool packed_size(const sb_cell_rows *rows, int32_t signs, size_t *size) {
    const size_t vector = (size_t)rows->format.vector;
    *size = ((size_t)rows->filters + vector - 1) / vector * vector;
    return sb_checked_multiply(size, (size_t)signs * (size_t)rows->format.bytes) &&
           sb_checked_multiply(size, sb_table_cells((size_t)rows->channels, rows->format.inputs));
}

/* digits [K][C] as table_format.h has them; NULL where there is no memory. */
static uint8_t *pack_cells(const sb_weight_job *job, const int8_t *digits, int32_t signs) {
    const sb_geometry *geometry = &job->step->layer.geometry;
    const int32_t block = job->step->kernel->info.filters;
    sb_cell_rows rows = {format_of(job), digits, geometry->in_channels, geometry->out_channels, 1};
    size_t size;
    if (!packed_size(&rows, signs, &size))
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

static const int32_t *sum_digits(const sb_weight_job *job, const int8_t *digits) {
    const size_t filters = (size_t)job->codes.filters;
    int32_t *sums = sb_memory_take(&job->builder->contents.memory, filters, sizeof *sums);
    for (size_t i = 0; sums && i < job->count; ++i)
        sums[i / job->codes.taps] += digits[i];
    return sums;
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
        tables->digit_sums = sum_digits(job, digits);
    }
    sb_memory_free(&temporary);
    if (!tables->masks || !tables->digit_sums)
        return sb_complain(job->builder, SB_OUT_OF_MEMORY, "no memory for packed weights");
    return sb_set_factors(job, radix, NULL);
}

/* Rows that become codes are floats, and their sums fit int32. */
static sb_status check(const sb_weight_job *job) {
    const size_t taps = job->count / (size_t)job->step->layer.geometry.out_channels;
    if (!job->spec->coded_rows)
        return SB_OK;
    if (!job->step->linear || sb_input_type(job) != SB_TYPE_F32)
        return sb_complain(job->builder, SB_INVALID_ARGUMENT,
                           "step %zu: rows become codes in a %s layer on %s; allowed: linear, f32",
                           job->builder->contents.step_count,
                           job->step->linear ? "linear" : "conv2d",
                           sb_type_name(sb_input_type(job)));
    if (taps > INT32_MAX / UINT8_MAX)
        return sb_complain(job->builder, SB_UNSUPPORTED,
                           "step %zu: sums of %zu codes do not fit int32; use float32",
                           job->builder->contents.step_count, taps);
    return SB_OK;
}

static void query(const sb_weight_job *job, sb_kernel_query *query) {
    if (job->spec->coded_rows)
        query->op = "coded_linear";
}

/* Tables, then the sums of whole blocks of filters, then the codes of rows. */
static sb_status reserve(const sb_weight_job *job) {
    const size_t block = (size_t)job->step->kernel->info.filters, taps = job->codes.taps;
    const sb_table_format format = format_of(job);
    size_t size = ((size_t)job->codes.filters + block - 1) / block * block;
    size_t codes = job->spec->coded_rows ? taps : 0;
    if (!sb_checked_multiply(&size, SB_TABLE_IMAGES * sizeof(int32_t)) ||
        !sb_checked_multiply(&codes, SB_TABLE_IMAGES * sizeof(uint16_t)) ||
        !sb_checked_add(&size, sb_table_room(sb_table_cells(taps, format.inputs), &format)) ||
        !sb_checked_add(&size, codes + 63))
        return sb_complain(job->builder, SB_OVERFLOW, "the sums of a step do not fit memory");
    job->step->share_scratch_bytes = size / 64 * 64;
    return SB_OK;
}

const sb_weight_family sb_table_family = {.strategy = SB_STRATEGY_TABLE,
                                          .form = SB_FORM_CODES,
                                          .check = check,
                                          .query = query,
                                          .pack = pack,
                                          .scratch = reserve};
