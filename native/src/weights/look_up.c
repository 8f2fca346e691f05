/* The table of a step that looks codes up. */
#include "complain.h"
#include "kernels/epilogue_codes.h"
#include "step.h"
#include "weights.h"

#include <string.h>

enum { ENTRIES = UINT8_MAX + 1 };

/* What the codes above the input's largest become does not matter: no value holds them. */
static const void *encoded(sb_builder *builder, const float *numbers, size_t count,
                           const sb_requantize *requantize) {
    const size_t size = requantize->floats ? sizeof(float) : sizeof(sb_code);
    char *table = sb_memory_take(&builder->contents.memory, ENTRIES, size);
    if (!table)
        return NULL;
    memset(table, 0, ENTRIES * size);
    for (size_t i = 0; i < count; ++i)
        sb_put_number(requantize, table, i, numbers[i]);
    return table;
}

sb_status sb_install_table(sb_builder *builder, const sb_floats *table, sb_step *step) {
    const sb_value *input = &builder->contents.values[step->input];
    const float *numbers = NULL;
    if (input->type != SB_TYPE_U8 || !table->data)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: %zu numbers in a table for %s; allowed: as many as the codes",
                           builder->contents.step_count, table->count, sb_type_name(input->type));
    const sb_status status =
        sb_copy_floats(builder, table, (size_t)input->top + 1, "table", &numbers);
    if (status != SB_OK)
        return status;
    step->layer.table = encoded(builder, numbers, table->count, &step->layer.epilogue.requantize);
    return step->layer.table ? SB_OK
                             : sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for a table");
}
