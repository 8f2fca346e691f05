#include "families.h"

#include "codes.h"
#include "complain.h"
#include "kernels/table/table_format.h"
#include "operands/operands.h"
#include "pack_tables.h"
#include "step.h"

static sb_status pack_bits(sb_builder *builder, const sb_code_spec *codes, int32_t radix,
                           sb_step *step) {
    sb_memory temporary = {NULL};
    sb_table_weights *tables = &step->layer.tables;
    int8_t *digits =
        sb_memory_take(&temporary, codes->taps * (size_t)codes->filters, sizeof *digits);
    tables->signs = radix == 3 ? 2 : 1;
    if (digits) {
        sb_pack_digits(codes, radix, digits);
        tables->masks =
            sb_pack_tables(&step->layer.geometry, digits, tables->signs, &builder->contents.memory);
    }
    sb_memory_free(&temporary);
    if (!tables->masks)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for packed weights");
    return SB_OK;
}

sb_status sb_install_tables(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                            size_t count, sb_step *step) {
    const sb_type type = builder->contents.values[step->input].type;
    const sb_kernel_query query = {.strategy = "table",
                                   .op = op,
                                   .isa = builder->isa,
                                   .type = type,
                                   .vectors = SB_MAX_VECTORS};
    sb_code_spec codes;
    sb_status status = sb_read_codes(builder, spec, count, step, &codes);
    if (status == SB_OK)
        status = sb_find_kernel(builder, &query, step);
    if (status == SB_OK)
        status = sb_place_layer(builder, op, step);
    if (status != SB_OK)
        return status;
    const int32_t radix = sb_pack_radix(&codes);
    const size_t tables = (codes.taps - 1) / SB_TABLE_INPUTS + 1;
    step->share_scratch_bytes = tables * SB_TABLE_BYTES;
    status = pack_bits(builder, &codes, radix, step);
    return status == SB_OK ? sb_set_factors(builder, &codes, radix, NULL, step) : status;
}
