/* Linear layers that look sums of inputs up. */
#include "checked.h"
#include "codes.h"
#include "complain.h"
#include "kernels/table/table_format.h"

/* 8 inputs of a filter: bit j is set where digit j is `sign`. */
static uint8_t pack_byte(const int8_t *digits, int32_t count, int8_t sign) {
    unsigned bits = 0;
    for (int32_t j = 0; j < count; ++j)
        bits |= (unsigned)(digits[j] == sign) << j;
    return (uint8_t)bits;
}

/* digits [K][C] into table/linear.h's bits; signs: 2 where digits are of radix 3, else 1. NULL
 * where there is no memory. */
static uint8_t *pack_masks(const sb_geometry *geometry, const int8_t *digits, int32_t signs,
                           sb_memory *memory) {
    const int32_t channels = geometry->in_channels, filters = geometry->out_channels;
    const int32_t blocks = (filters - 1) / SB_TABLE_FILTERS + 1;
    size_t size = (size_t)blocks * SB_TABLE_FILTERS * (size_t)signs;
    if (!sb_checked_multiply(&size, (size_t)(channels - 1) / SB_TABLE_INPUTS + 1))
        return NULL;
    uint8_t *packed = sb_memory_take(memory, size, 1), *next = packed;
    for (int32_t block = 0; packed && block < blocks; ++block)
        for (int32_t sign = 0; sign < signs; ++sign)
            for (int32_t c = 0; c < channels; c += SB_TABLE_INPUTS)
                for (int32_t i = 0; i < SB_TABLE_FILTERS; ++i, ++next) {
                    const int32_t filter = block * SB_TABLE_FILTERS + sb_table_filter(i);
                    const int32_t left = channels - c;
                    if (filter < filters)
                        *next = pack_byte(digits + (size_t)filter * channels + c,
                                          left < SB_TABLE_INPUTS ? left : SB_TABLE_INPUTS,
                                          sign ? -1 : 1);
                }
    return packed;
}

static sb_status pack(const sb_weight_job *job) {
    const sb_code_spec *codes = &job->codes;
    const int32_t radix = sb_pack_radix(codes);
    sb_memory temporary = {NULL};
    sb_layer *layer = &job->step->layer;
    sb_table_weights *tables = &layer->tables;
    int8_t *digits = sb_memory_take(&temporary, job->count, sizeof *digits);
    tables->signs = radix == 3 ? 2 : 1;
    if (digits) {
        sb_pack_digits(codes, radix, digits);
        tables->masks =
            pack_masks(&layer->geometry, digits, tables->signs, &job->builder->contents.memory);
    }
    sb_memory_free(&temporary);
    if (!tables->masks)
        return sb_complain(job->builder, SB_OUT_OF_MEMORY, "no memory for packed weights");
    return sb_set_factors(job, radix, NULL);
}

static sb_status reserve(const sb_weight_job *job) {
    const size_t tables = (job->codes.taps - 1) / SB_TABLE_INPUTS + 1;
    job->step->share_scratch_bytes = tables * SB_TABLE_BYTES;
    return SB_OK;
}

const sb_weight_family sb_table_family = {
    .strategy = SB_STRATEGY_TABLE, .form = SB_FORM_CODES, .pack = pack, .scratch = reserve};
