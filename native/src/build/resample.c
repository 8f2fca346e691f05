/* Steps whose kernel finds pixels by tables of rows and columns. */
#include "resample.h"

#include "checked.h"
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

/* Shares of the pixels after those of a table, in parts of `whole`, as the kernel multiplies by
 * them: of codes as they are, else of 1. */
static sb_status take_shares(sb_builder *builder, const int32_t *given, size_t count, int32_t whole,
                             float unit, const float **shares) {
    float *copy = sb_memory_take(&builder->contents.memory, count, sizeof *copy);
    if (!copy)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for %zu shares", count);
    for (size_t i = 0; i < count; ++i) {
        copy[i] = (float)given[i] * unit;
        if (given[i] < 0 || given[i] > whole)
            return sb_complain(builder, SB_INVALID_ARGUMENT,
                               "step %zu: share %zu is %d; allowed: 0..%d",
                               builder->contents.step_count, i, given[i], whole);
    }
    *shares = copy;
    return SB_OK;
}

/* A table without -1: every pixel lies in the image. */
static sb_status take_places(sb_builder *builder, const int32_t *given, size_t count,
                             int64_t extent, const char *what, const int32_t **table) {
    for (size_t i = 0; i < count; ++i)
        if (given[i] < 0 || given[i] >= extent)
            return sb_complain(builder, SB_INVALID_ARGUMENT,
                               "step %zu: entry %zu of the %s is %d; allowed: 0..%lld",
                               builder->contents.step_count, i, what, given[i],
                               (long long)extent - 1);
    return take_table(builder, given, count, extent, what, table);
}

sb_status sb_map_blended(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    const sb_geometry *geometry = &step->layer.geometry;
    const size_t rows = (size_t)geometry->out_height, columns = (size_t)geometry->out_width;
    const bool codes = builder->contents.values[step->input].type == SB_TYPE_U8;
    const int32_t whole = codes ? SB_CODE_SHARES : SB_SHARES;
    const float unit = codes ? 1.0f : 1.0f / SB_SHARES;
    const int32_t *given = spec->whole.data;
    if (geometry->in_channels != geometry->out_channels ||
        spec->whole.count != 2 * (rows + columns))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: %s from %d to %d channels with %zu whole numbers; allowed: "
                           "as many channels, and %zu rows, %zu columns and their shares",
                           builder->contents.step_count, spec->op, geometry->in_channels,
                           geometry->out_channels, spec->whole.count, rows, columns);
    sb_status status =
        take_places(builder, given, rows, geometry->in_height, "rows", &step->layer.rows);
    if (status == SB_OK)
        status = take_places(builder, given + rows, columns, geometry->in_width, "columns",
                             &step->layer.columns);
    given += rows + columns;
    if (status == SB_OK)
        status = take_shares(builder, given, rows, whole, unit, &step->layer.row_shares);
    if (status == SB_OK)
        status =
            take_shares(builder, given + rows, columns, whole, unit, &step->layer.column_shares);
    return status;
}

sb_status sb_map_taken(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    const sb_value *values = builder->contents.values;
    const int32_t *whole = step->layer.whole;
    const size_t places = spec->whole.count - 3;
    size_t given = (size_t)whole[0], made = (size_t)whole[0];
    const bool fits = sb_checked_multiply(&given, (size_t)whole[1]) &&
                      sb_checked_multiply(&given, (size_t)whole[2]) &&
                      sb_checked_multiply(&made, places) &&
                      sb_checked_multiply(&made, (size_t)whole[2]);
    if (!fits || !places || given != values[step->input].elements ||
        made != values[step->output].elements)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: %s of %zu elements to %zu; allowed: from outer * length * "
                           "inner to outer * places * inner",
                           builder->contents.step_count, spec->op, values[step->input].elements,
                           values[step->output].elements);
    step->layer.whole[3] = (int32_t)places;
    return take_places(builder, spec->whole.data + 3, places, whole[1], "places",
                       &step->layer.rows);
}
