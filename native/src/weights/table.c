/* Layers that look sums of inputs up. */
#include "checked.h"
#include "codes.h"
#include "complain.h"
#include "kernels/table/table_format.h"
#include "operands/operands.h"

#include <string.h>

/* Cells of a sign: bit j of a cell is set where the digit of its input j is that sign. digits:
 * [filter][tap][channel], of a convolution group; window: how its cells lie, a chunk after the
 * other. */
typedef struct sb_cell_rows {
    sb_table_format format;
    sb_table_window window;
    const int8_t *digits;
    int32_t filters;
    int8_t sign;
} sb_cell_rows;

static sb_table_format format_of(const sb_weight_job *job) {
    const bool codes = sb_input_type(job) == SB_TYPE_U8 || job->spec->coded_rows;
    return sb_table_format_of(codes, job->step->kernel->info.filters);
}

/* A linear layer is a window of one pixel. */
static sb_table_window window_of(const sb_weight_job *job, const sb_table_format *format) {
    sb_table_window window = {.channels = job->codes.taps, .taps = 1};
    if (!job->step->linear)
        return sb_table_window_of(&job->step->layer, format);
    window.cells = window.chunk = sb_table_cells(window.channels, format->inputs);
    return window;
}

/* One cell of a vector of filters, of a tap, the lower bytes first. */
static void pack_vector(const sb_cell_rows *rows, int32_t filter, size_t tap, size_t cell,
                        uint8_t *target) {
    const sb_table_format *format = &rows->format;
    const sb_table_window *window = &rows->window;
    const size_t first = cell * (size_t)format->inputs, left = window->channels - first;
    const size_t count = left < (size_t)format->inputs ? left : (size_t)format->inputs;
    for (int32_t i = 0; i < format->vector; ++i, target += format->bytes) {
        const int32_t k = filter + sb_table_filter(format->vector, i);
        const int8_t *digits =
            rows->digits + ((size_t)k * window->taps + tap) * window->channels + first;
        uint32_t bits = 0;
        for (size_t j = 0; k < rows->filters && j < count; ++j)
            bits |= (uint32_t)(digits[j] == rows->sign) << j;
        for (int32_t byte = 0; byte < format->bytes; ++byte)
            target[byte] = (uint8_t)(bits >> 8 * byte);
    }
}

/* All cells of a sign of the filters from `filter` on, a block of them at most; returns the end. */
static uint8_t *pack_block(const sb_cell_rows *rows, int32_t filter, int32_t block,
                           uint8_t *target) {
    const sb_table_window *window = &rows->window;
    const int32_t end = rows->filters - filter < block ? rows->filters : filter + block;
    for (size_t chunk = 0; chunk < window->cells; chunk += window->chunk)
        for (size_t tap = 0; tap < window->taps; ++tap)
            for (size_t cell = chunk; cell < window->cells && cell < chunk + window->chunk; ++cell)
                for (int32_t k = filter; k < end; k += rows->format.vector) {
                    pack_vector(rows, k, tap, cell, target);
                    target += rows->format.vector * rows->format.bytes;
                }
    return target;
}

/* Bytes of all cells of all groups, false where they do not fit. */
static bool packed_size(const sb_cell_rows *rows, size_t groups, int32_t signs, size_t *size) {
    const size_t vector = (size_t)rows->format.vector;
    *size = ((size_t)rows->filters + vector - 1) / vector * vector;
    return sb_checked_multiply(size, (size_t)signs * (size_t)rows->format.bytes) &&
           sb_checked_multiply(size, groups) && sb_checked_multiply(size, rows->window.taps) &&
           sb_checked_multiply(size, rows->window.cells);
}

/* Weights of a cell that are set. */
static uint32_t count_cell(const sb_cell_rows *rows, size_t filter, size_t tap, size_t cell,
                           int8_t sign) {
    const sb_table_window *window = &rows->window;
    const size_t first = cell * (size_t)rows->format.inputs, left = window->channels - first;
    const size_t count = left < (size_t)rows->format.inputs ? left : (size_t)rows->format.inputs;
    const int8_t *digits = rows->digits + (filter * window->taps + tap) * window->channels + first;
    uint32_t set = 0;
    for (size_t j = 0; j < count; ++j)
        set += digits[j] == sign;
    return set;
}

/* Whether no filter has more than `most` weights of a sign in any `flight` cells that begin a
 * multiple of it behind a chunk. */
static bool flies(const sb_cell_rows *rows, size_t filters, size_t flight, uint32_t most) {
    const sb_table_window *window = &rows->window;
    for (size_t i = 0; i < 2 * filters; ++i)
        for (size_t chunk = 0; chunk < window->cells; chunk += window->chunk) {
            const size_t left = window->cells - chunk;
            const size_t count = left < window->chunk ? left : window->chunk;
            uint32_t set = 0;
            for (size_t at = 0; at < count * window->taps; ++at) {
                set = (at % flight ? set : 0) +
                      count_cell(rows, i / 2, at / count, chunk + at % count, i % 2 ? -1 : 1);
                if (set > most)
                    return false;
            }
        }
    return true;
}

/* As many cells as may be summed together, the fewest parts of a chunk's windows that serve; no
 * fewer than weights that are all set allow. */
static size_t find_flight(const sb_weight_job *job, const sb_cell_rows *rows) {
    const uint32_t top = (uint32_t)job->builder->contents.values[job->step->input].top;
    const uint32_t most = UINT16_MAX / (job->spec->coded_rows || top < 1 ? UINT8_MAX : top);
    const size_t least = most / (uint32_t)rows->format.inputs;
    const size_t run = rows->window.chunk * rows->window.taps;
    if (job->step->linear)
        return least;
    for (size_t parts = 1;; ++parts) {
        const size_t flight = (run + parts - 1) / parts;
        if (flight <= least)
            return least;
        if (flies(rows, (size_t)job->codes.filters, flight, most))
            return flight;
    }
}

/* digits [K][tap][C/G] as table_format.h has them; NULL where there is no memory. */
static uint8_t *pack_cells(const sb_weight_job *job, const int8_t *digits, int32_t signs) {
    const sb_geometry *geometry = &job->step->layer.geometry;
    const int32_t block = job->step->kernel->info.filters;
    const size_t groups = (size_t)geometry->groups;
    sb_cell_rows rows = {.format = format_of(job), .digits = digits};
    size_t size;
    rows.window = window_of(job, &rows.format);
    rows.filters = geometry->out_channels / geometry->groups;
    if (!packed_size(&rows, groups, signs, &size))
        return NULL;
    uint8_t *packed = sb_memory_take(&job->builder->contents.memory, size, 1), *next = packed;
    for (size_t group = 0; packed && group < groups; ++group) {
        rows.digits = digits + group * (size_t)rows.filters * job->codes.taps;
        for (int32_t filter = 0; filter < rows.filters; filter += block)
            for (int32_t sign = 0; sign < signs; ++sign) {
                rows.sign = sign ? -1 : 1;
                next = pack_block(&rows, filter, block, next);
            }
    }
    job->step->packed_bytes = size;
    rows.digits = digits;
    job->step->layer.tables.flight = find_flight(job, &rows);
    return packed;
}

/* [K][C/G][tap] into [K][tap][C/G]. */
static void turn_digits(const sb_weight_job *job, const int8_t *digits, int8_t *turned) {
    const sb_geometry *geometry = &job->step->layer.geometry;
    const size_t taps = (size_t)geometry->kernel_height * (size_t)geometry->kernel_width;
    const size_t size = job->codes.taps, channels = size / taps;
    for (size_t i = 0; i < job->count; ++i)
        turned[i / size * size + i % taps * channels + i % size / taps] = digits[i];
}

static const int32_t *sum_digits(const sb_weight_job *job, const int8_t *digits) {
    const size_t filters = (size_t)job->codes.filters;
    int32_t *sums = sb_memory_take(&job->builder->contents.memory, filters, sizeof *sums);
    for (size_t k = 0; sums && k < filters; ++k, digits += job->codes.taps)
        for (size_t i = 0; i < job->codes.taps; ++i)
            sums[k] += digits[i];
    return sums;
}

static sb_status pack(const sb_weight_job *job) {
    const sb_code_spec *codes = &job->codes;
    const int32_t radix = sb_pack_radix(codes);
    sb_memory temporary = {NULL};
    sb_table_weights *tables = &job->step->layer.tables;
    int8_t *digits = sb_memory_take(&temporary, job->count, sizeof *digits);
    int8_t *turned = sb_memory_take(&temporary, job->count, sizeof *turned);
    tables->signs = radix == 3 ? 2 : 1;
    if (digits && turned) {
        sb_pack_digits(codes, radix, digits);
        turn_digits(job, digits, turned);
        tables->masks = pack_cells(job, turned, tables->signs);
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
static bool size_linear(const sb_weight_job *job, size_t *size) {
    const size_t block = (size_t)job->step->kernel->info.filters, taps = job->codes.taps;
    const sb_table_format format = format_of(job);
    size_t codes = job->spec->coded_rows ? taps : 0;
    *size = ((size_t)job->codes.filters + block - 1) / block * block;
    return sb_checked_multiply(size, SB_TABLE_IMAGES * sizeof(int32_t)) &&
           sb_checked_multiply(&codes, SB_TABLE_IMAGES * sizeof(uint16_t)) &&
           sb_checked_add(size, sb_table_room(sb_table_cells(taps, format.inputs), &format)) &&
           sb_checked_add(size, codes);
}

/* As sb_image_of in kernels/table/conv2d.h lays them out: tables, sums, offsets, totals of windows
 * and of pixels. */
static bool size_conv2d(const sb_weight_job *job, size_t *size) {
    const sb_layer *layer = &job->step->layer;
    const sb_table_format format = format_of(job);
    const sb_table_window window = sb_table_window_of(layer, &format);
    size_t sums = window.filters + 1, offsets = window.taps * sizeof(size_t);
    size_t pixels = (size_t)sb_view_rows(&layer->input) * sizeof(int32_t);
    *size = window.rows * (size_t)format.tables;
    return sb_checked_multiply(size, window.columns) && sb_checked_multiply(size, window.chunk) &&
           sb_checked_multiply(&sums, sb_table_slots(layer, &window)) &&
           sb_checked_multiply(&sums, sizeof(int32_t)) &&
           sb_checked_multiply(&offsets, window.chunk) &&
           sb_checked_multiply(&pixels, window.columns) && sb_checked_add(size, sums) &&
           sb_checked_add(size, offsets) && sb_checked_add(size, pixels);
}

static sb_status reserve(const sb_weight_job *job) {
    size_t size;
    if (!(job->step->linear ? size_linear(job, &size) : size_conv2d(job, &size)) ||
        !sb_checked_add(&size, 63))
        return sb_complain(job->builder, SB_OVERFLOW, "the sums of a step do not fit memory");
    job->step->share_scratch_bytes = size / 64 * 64;
    return SB_OK;
}

/* Convolutions read an image of bytes, centred where the platform's are. */
static sb_status place(const sb_weight_job *job) {
    const int32_t zero = job->step->layer.epilogue.requantize.input_zero;
    const bool centred = job->step->kernel->info.isa >= SB_ISA_NEON;
    if (job->step->linear)
        return sb_place_layer(job->builder, job->step);
    return sb_place_bytes(job->builder, (float)(centred ? zero ^ SB_CODE_CENTRE : zero), job->step);
}

const sb_weight_family sb_table_family = {.strategy = SB_STRATEGY_TABLE,
                                          .form = SB_FORM_CODES,
                                          .sums_windows = true,
                                          .check = check,
                                          .query = query,
                                          .place = place,
                                          .pack = pack,
                                          .scratch = reserve};
