#include "step.h"

#include "checked.h"
#include "complain.h"

#include <math.h>
#include <string.h>

enum { ALIGNMENT = 64 };

sb_status sb_find_kernel(sb_builder *builder, const sb_kernel_query *query, sb_step *step) {
    step->kernel = sb_registry_find(query);
    if (step->kernel)
        return SB_OK;
    return sb_complain(builder, SB_UNSUPPORTED,
                       "no %s %s kernel for %s up to isa %s walks %d filters and %d vectors",
                       sb_type_name(query->type), sb_strategy_name(query->strategy), query->op,
                       sb_isa_name(query->isa), query->filters, query->vectors);
}

sb_status sb_copy_floats(sb_builder *builder, const sb_floats *floats, size_t count,
                         const char *what, const float **copy) {
    if (!floats->data && !floats->count)
        return SB_OK;
    if (!floats->data || floats->count != count)
        return sb_complain(builder, SB_INVALID_ARGUMENT, "%s: %zu numbers; allowed: %zu", what,
                           floats->count, count);
    for (size_t i = 0; i < count; ++i)
        if (!isfinite(floats->data[i]))
            return sb_complain(builder, SB_INVALID_ARGUMENT,
                               "%s: number %zu is not finite; allowed: finite numbers", what, i);
    float *taken = sb_memory_take(&builder->contents.memory, count, sizeof *taken);
    if (!taken)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for %s", what);
    memcpy(taken, floats->data, count * sizeof *taken);
    *copy = taken;
    return SB_OK;
}

/* `count` times the same number; NULL without memory. */
static float *repeat(sb_builder *builder, size_t count, float value) {
    float *numbers = sb_memory_take(&builder->contents.memory, count, sizeof *numbers);
    for (size_t i = 0; numbers && i < count; ++i)
        numbers[i] = value;
    return numbers;
}

sb_status sb_complete_epilogue(sb_builder *builder, size_t channels, sb_epilogue *epilogue) {
    if (!epilogue->scale)
        epilogue->scale = repeat(builder, channels, 1.0f);
    if (!epilogue->bias)
        epilogue->bias = repeat(builder, channels, 0.0f);
    if (!epilogue->scale || !epilogue->bias)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for scale and bias");
    return SB_OK;
}

sb_status sb_reserve(sb_builder *builder, sb_step *step, size_t bytes, size_t *offset) {
    *offset = step->scratch_bytes;
    size_t end = step->scratch_bytes;
    if (!sb_checked_add(&end, bytes) || !sb_checked_add(&end, ALIGNMENT - 1))
        return sb_complain(builder, SB_OVERFLOW, "step %zu: its scratch does not fit memory",
                           builder->contents.step_count);
    step->scratch_bytes = end / ALIGNMENT * ALIGNMENT;
    return SB_OK;
}
