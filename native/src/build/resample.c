/* Steps whose kernel finds pixels by tables of rows and columns. */
#include "resample.h"

#include "complain.h"
#include "operands/view_plan.h"

#include <math.h>

static sb_status refuse_blocks(sb_builder *builder, const sb_step *step) {
    const sb_geometry *geometry = &step->layer.geometry;
    const int32_t *whole = step->layer.whole;
    return sb_complain(builder, SB_INVALID_ARGUMENT,
                       "step %zu: %d channels in blocks of %d x %d to %d in blocks of %d x %d; "
                       "allowed: as many channels of the finer images",
                       builder->contents.step_count, geometry->in_channels, whole[0], whole[1],
                       geometry->out_channels, whole[2], whole[3]);
}

/* A copy of `count` entries of -1 .. extent - 1. */
static sb_status take_table(sb_builder *builder, const int32_t *given, size_t count, int64_t extent,
                            const char *what, const int32_t **table) {
    int32_t *copy = sb_memory_take(&builder->contents.memory, count, sizeof *copy);
    if (!copy)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for %zu %s", count, what);
    for (size_t i = 0; i < count; ++i) {
        copy[i] = given[i];
        if (given[i] < -1 || given[i] >= extent)
            return sb_complain(builder, SB_INVALID_ARGUMENT,
                               "step %zu: entry %zu of the %s is %d; allowed: -1..%lld",
                               builder->contents.step_count, i, what, given[i],
                               (long long)extent - 1);
    }
    *table = copy;
    return SB_OK;
}

/* Of codes, a code of the input. */
static sb_status check_fill(sb_builder *builder, const sb_step *step) {
    const sb_value *input = &builder->contents.values[step->input];
    const float fill = step->layer.real[0];
    if (input->type == SB_TYPE_F32 ||
        (fill >= 0.0f && fill <= (float)input->top && fill == floorf(fill)))
        return SB_OK;
    return sb_complain(builder, SB_INVALID_ARGUMENT, "step %zu: fill %g; allowed: a code, 0..%d",
                       builder->contents.step_count, (double)fill, input->top);
}

sb_status sb_map_resampled(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    const sb_geometry *geometry = &step->layer.geometry;
    const int32_t *whole = step->layer.whole;
    const int64_t given = (int64_t)whole[0] * whole[1], made = (int64_t)whole[2] * whole[3];
    if (geometry->in_channels % given || geometry->out_channels % made ||
        geometry->in_channels / given != geometry->out_channels / made)
        return refuse_blocks(builder, step);
    const size_t rows = (size_t)geometry->out_height * (size_t)whole[2];
    const size_t columns = (size_t)geometry->out_width * (size_t)whole[3];
    if (spec->whole.count != 4 + rows + columns)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: %s with %zu whole numbers; allowed: 4 + %zu rows + %zu "
                           "columns",
                           builder->contents.step_count, spec->op, spec->whole.count, rows,
                           columns);
    sb_status status = check_fill(builder, step);
    if (status == SB_OK)
        status = take_table(builder, spec->whole.data + 4, rows,
                            (int64_t)geometry->in_height * whole[0], "rows", &step->layer.rows);
    if (status == SB_OK)
        status =
            take_table(builder, spec->whole.data + 4 + rows, columns,
                       (int64_t)geometry->in_width * whole[1], "columns", &step->layer.columns);
    return status;
}

sb_status sb_place_resampled(sb_builder *builder, sb_step *step) {
    const sb_value *values = builder->contents.values;
    step->layer.input = values[step->input].view;
    step->layer.output = values[step->output].view;
    step->fills_halo = sb_view_has_halo(&step->layer.output);
    return SB_OK;
}
