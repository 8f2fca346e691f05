#include "builder.h"
#include "complain.h"
#include "connect.h"
#include "operands/operands.h"
#include "weights/weights.h"

sb_status sb_builder_add_conv2d(sb_builder *builder, const sb_conv2d_spec *spec) {
    if (!builder || !spec)
        return SB_INVALID_ARGUMENT;
    sb_step step = {0};
    sb_geometry *geometry = &step.layer.geometry;
    sb_status status =
        sb_connect(builder, spec->input, spec->epilogue.residual, spec->output, &step);
    if (status == SB_OK)
        status = sb_check_types(builder, &step);
    if (status == SB_OK)
        status = sb_set_window(builder, &spec->window, geometry);
    if (status == SB_OK && (spec->groups < 1 || geometry->in_channels % spec->groups ||
                            geometry->out_channels % spec->groups))
        status = sb_complain(builder, SB_INVALID_ARGUMENT,
                             "step %zu: %d groups; allowed: a divisor of %d and %d channels",
                             builder->contents.step_count, spec->groups, geometry->in_channels,
                             geometry->out_channels);
    geometry->groups = spec->groups;
    if (status == SB_OK)
        status = sb_set_epilogue(builder, &spec->epilogue, (size_t)geometry->out_channels,
                                 &step.layer.epilogue);
    if (status == SB_OK)
        status = sb_install_weights(builder, &spec->weight, &step);
    return status == SB_OK ? sb_append_step(builder, &step) : status;
}

/* One pixel of as many channels as a row has. */
static sb_status set_rows(sb_builder *builder, int32_t rows, sb_step *step) {
    const sb_window_spec point = {1, 1, 1, 1, 0, 0, 0, 0, 1, 1};
    const size_t given = builder->contents.values[step->input].elements;
    const size_t made = builder->contents.values[step->output].elements;
    sb_geometry *geometry = &step->layer.geometry;
    if (rows < 1 || given % (size_t)rows || made % (size_t)rows)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: linear of %d rows from %zu elements to %zu; allowed: a "
                           "divisor of both",
                           builder->contents.step_count, rows, given, made);
    step->rows = (size_t)rows;
    geometry->in_height = geometry->in_width = geometry->out_height = geometry->out_width = 1;
    geometry->in_channels = (int32_t)(given / (size_t)rows);
    geometry->out_channels = (int32_t)(made / (size_t)rows);
    geometry->groups = 1;
    return sb_set_window(builder, &point, geometry);
}

sb_status sb_builder_add_linear(sb_builder *builder, const sb_linear_spec *spec) {
    if (!builder || !spec)
        return SB_INVALID_ARGUMENT;
    sb_step step = {.linear = true, .whole_batch = spec->whole_batch};
    sb_geometry *geometry = &step.layer.geometry;
    sb_status status =
        sb_connect(builder, spec->input, spec->epilogue.residual, spec->output, &step);
    if (status == SB_OK)
        status = sb_check_types(builder, &step);
    if (status == SB_OK)
        status = set_rows(builder, spec->rows, &step);
    if (status == SB_OK)
        status = sb_set_epilogue(builder, &spec->epilogue, (size_t)geometry->out_channels,
                                 &step.layer.epilogue);
    if (status == SB_OK)
        status = sb_install_weights(builder, &spec->weight, &step);
    return status == SB_OK ? sb_append_step(builder, &step) : status;
}
