#include "rows.h"

#include "checked.h"
#include "complain.h"

#include <string.h>

static sb_status refuse(sb_builder *builder, const sb_direct_spec *spec, const sb_step *step,
                        const char *allowed) {
    const sb_value *values = builder->contents.values;
    return sb_complain(builder, SB_INVALID_ARGUMENT,
                       "step %zu: %s of %zu elements to %zu; allowed: %s",
                       builder->contents.step_count, spec->op, values[step->input].elements,
                       values[step->output].elements, allowed);
}

/* Whether three whole numbers, all at least 1, make so many elements. */
static bool makes(const int32_t *first, const int32_t *second, const int32_t *third,
                  size_t elements) {
    size_t product = (size_t)*first;
    return sb_checked_multiply(&product, (size_t)*second) &&
           sb_checked_multiply(&product, (size_t)*third) && product == elements;
}

static bool ends_plainly(const sb_epilogue_spec *epilogue) {
    return !epilogue || (epilogue->activation == SB_ACTIVATION_NONE && !epilogue->prelu.data &&
                         !epilogue->post_bias.data);
}

/* Constants and what reads them lie in a single row of `length`. */
static void set_length(sb_geometry *geometry, size_t length) {
    geometry->in_channels = geometry->out_channels = (int32_t)length;
    geometry->in_height = geometry->in_width = geometry->out_height = geometry->out_width = 1;
}

sb_status sb_map_rows(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    const sb_value *values = builder->contents.values;
    const size_t elements = values[step->input].elements, rows = (size_t)spec->whole.data[0];
    if (elements != values[step->output].elements || elements % rows)
        return refuse(builder, spec, step, "as many elements, in rows of one length");
    if (!ends_plainly(spec->epilogue) || step->residual != SB_NO_VALUE)
        return refuse(builder, spec, step, "an epilogue of a bias alone");
    set_length(&step->layer.geometry, elements / rows);
    return SB_OK;
}

sb_status sb_map_given(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    if (!spec->scale.data)
        return refuse(builder, spec, step, "numbers for all of them, as the scale");
    set_length(&step->layer.geometry, builder->contents.values[step->output].elements);
    return SB_OK;
}

/* The least and the largest index that a walk reaches; false where its extents make no elements. */
static bool reach_of(const int32_t *walk, int64_t base, int64_t *least, int64_t *largest) {
    *least = *largest = base;
    for (int axis = 0; axis < SB_WALK_AXES; ++axis) {
        const int32_t extent = walk[axis];
        if (extent < 1 || extent > SB_MAX_ELEMENTS)
            return false;
        const int64_t way = (int64_t)(extent - 1) * walk[SB_WALK_AXES + axis];
        *(way < 0 ? least : largest) += way;
    }
    return true;
}

sb_status sb_map_walk(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    const sb_value *values = builder->contents.values;
    const int32_t *walk = spec->whole.data + 1;
    int64_t least, largest;
    if (spec->whole.count != 1 + 2 * SB_WALK_AXES)
        return refuse(builder, spec, step, "a base, five extents and five steps");
    if (!reach_of(walk, spec->whole.data[0], &least, &largest) || least < 0 ||
        largest >= (int64_t)values[step->input].elements)
        return refuse(builder, spec, step, "steps within the input");
    size_t elements = 1;
    for (int axis = 0; axis < SB_WALK_AXES; ++axis)
        if (!sb_checked_multiply(&elements, (size_t)walk[axis]))
            return refuse(builder, spec, step, "extents that make the output");
    if (elements != values[step->output].elements)
        return refuse(builder, spec, step, "extents that make the output");
    int32_t *held = sb_memory_take(&builder->contents.memory, 2 * SB_WALK_AXES, sizeof *held);
    if (!held)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for a walk");
    memcpy(held, walk, 2 * SB_WALK_AXES * sizeof *held);
    step->layer.walk = held;
    return SB_OK;
}

sb_status sb_map_blocks(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    const sb_value *values = builder->contents.values;
    const int32_t *whole = spec->whole.data;
    const size_t elements = values[step->input].elements;
    if (elements != values[step->output].elements ||
        !makes(&whole[0], &whole[1], &whole[2], elements))
        return refuse(builder, spec, step, "outer * length * inner of them in both");
    return SB_OK;
}

sb_status sb_map_reduced(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    const sb_value *values = builder->contents.values;
    const int32_t *whole = spec->whole.data, one = 1;
    if (!makes(&whole[1], &whole[2], &whole[3], values[step->input].elements) ||
        !makes(&whole[1], &one, &whole[3], values[step->output].elements))
        return refuse(builder, spec, step, "from outer * length * inner to outer * inner");
    return SB_OK;
}

sb_status sb_map_matrices(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    const sb_value *values = builder->contents.values;
    const int32_t *whole = spec->whole.data;
    if (step->residual == SB_NO_VALUE || !ends_plainly(spec->epilogue) || spec->epilogue->bias.data)
        return refuse(builder, spec, step, "a second value, as the residual, and nothing else");
    if (!makes(&whole[0], &whole[1], &whole[2], values[step->input].elements) ||
        !makes(&whole[0], &whole[2], &whole[3], values[step->residual].elements) ||
        !makes(&whole[0], &whole[1], &whole[3], values[step->output].elements))
        return refuse(builder, spec, step, "b * m * k by b * k * n elements to b * m * n");
    return SB_OK;
}
