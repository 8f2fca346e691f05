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

sb_status sb_builder_add_linear(sb_builder *builder, const sb_linear_spec *spec) {
    if (!builder || !spec)
        return SB_INVALID_ARGUMENT;
    sb_step step = {.batched = true};
    sb_geometry *geometry = &step.layer.geometry;
    const sb_window_spec point = {1, 1, 1, 1, 0, 0, 0, 0, 1, 1};
    sb_status status =
        sb_connect(builder, spec->input, spec->epilogue.residual, spec->output, &step);
    if (status == SB_OK)
        status = sb_check_types(builder, &step);
    if (status == SB_OK && (geometry->in_height != 1 || geometry->in_width != 1))
        status = sb_complain(builder, SB_INVALID_ARGUMENT,
                             "step %zu: linear reads [N, C], not %d x %d pixels",
                             builder->contents.step_count, geometry->in_height, geometry->in_width);
    if (status == SB_OK)
        status = sb_set_window(builder, &point, geometry);
    geometry->groups = 1;
    if (status == SB_OK)
        status = sb_set_epilogue(builder, &spec->epilogue, (size_t)geometry->out_channels,
                                 &step.layer.epilogue);
    if (status == SB_OK)
        status = sb_install_weights(builder, &spec->weight, &step);
    return status == SB_OK ? sb_append_step(builder, &step) : status;
}
