/* Steps that put channels of several values side by side. */
#include "parts.h"

#include "complain.h"

#include <math.h>

static sb_status refuse(sb_builder *builder, const sb_direct_spec *spec, int64_t found,
                        const char *what, int64_t allowed) {
    return sb_complain(builder, SB_INVALID_ARGUMENT, "step %zu: %s of %lld %s; allowed: %lld",
                       builder->contents.step_count, spec->op, (long long)found, what,
                       (long long)allowed);
}

static bool same_codes(const sb_value *a, const sb_value *b) {
    return a->type == b->type && a->zero == b->zero && a->top == b->top;
}

/* The factor of codes that mean something else in the output; 0 where elements stay as they are. */
static sb_status set_factor(sb_builder *builder, const sb_direct_spec *spec, size_t index,
                            const sb_step *step, sb_part *part) {
    const sb_value *values = builder->contents.values;
    const sb_value *given = &values[part->value], *output = &values[step->output];
    const bool computes = spec->real.data && given->type == SB_TYPE_U8;
    if (given->type != values[step->input].type || (!computes && !same_codes(given, output)))
        return sb_complain(
            builder, SB_INVALID_ARGUMENT,
            "step %zu: %s of value %u, %s, into %s; allowed: values of one type, and "
            "without factors codes of the same zero and top",
            builder->contents.step_count, spec->op, part->value, sb_type_name(given->type),
            sb_type_name(output->type));
    if (!computes)
        return SB_OK;
    const float factor = spec->real.data[index];
    part->layer.real[0] = factor;
    if (isfinite(factor) && factor > 0.0f)
        return SB_OK;
    return sb_complain(builder, SB_INVALID_ARGUMENT,
                       "step %zu: %s with factor %g; allowed: finite, above 0",
                       builder->contents.step_count, spec->op, (double)factor);
}

/* One part: all its channels, or of a single one those that the output has room for. */
static sb_status set_part(sb_builder *builder, const sb_direct_spec *spec, size_t index,
                          const sb_step *step, sb_part *part, int64_t *taken) {
    const int32_t first = step->layer.whole[0], room = step->layer.geometry.out_channels;
    part->value = index ? spec->more[index - 1] : spec->input;
    sb_status status = sb_check_part(builder, part->value, step->output);
    if (status != SB_OK)
        return status;
    const sb_value *value = &builder->contents.values[part->value];
    const sb_value *output = &builder->contents.values[step->output];
    const int32_t count = spec->more_count ? value->extent.channels : room;
    if (value->extent.height != output->extent.height ||
        value->extent.width != output->extent.width)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: %s of %d x %d pixels into %d x %d; allowed: the same",
                           builder->contents.step_count, spec->op, value->extent.height,
                           value->extent.width, output->extent.height, output->extent.width);
    if ((int64_t)first + count > value->extent.channels)
        return refuse(builder, spec, (int64_t)first + count, "channels of a value",
                      value->extent.channels);
    part->layer = step->layer;
    part->layer.geometry.in_channels = value->extent.channels;
    part->layer.epilogue.requantize.input_zero = value->zero;
    part->layer.whole[2] = (int32_t)*taken;
    part->layer.whole[3] = count;
    *taken += count;
    return set_factor(builder, spec, index, step, part);
}

sb_status sb_set_parts(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    const size_t count = spec->more_count + 1;
    const int32_t groups = step->layer.whole[1], room = step->layer.geometry.out_channels;
    int64_t taken = 0;
    if (count > SB_MAX_PARTS || (spec->more_count && !spec->more))
        return refuse(builder, spec, (int64_t)count, "values", SB_MAX_PARTS);
    if (spec->real.data && spec->real.count != count)
        return refuse(builder, spec, (int64_t)spec->real.count, "factors", (int64_t)count);
    if (room % groups || (spec->more_count && (groups != 1 || step->layer.whole[0])))
        return sb_complain(
            builder, SB_INVALID_ARGUMENT,
            "step %zu: %s of %zu values from channel %d, %d groups into %d channels; "
            "allowed: groups that divide the channels, of several values all "
            "channels and one group",
            builder->contents.step_count, spec->op, count, step->layer.whole[0], groups, room);
    sb_part *parts = sb_memory_take(&builder->contents.memory, count, sizeof *parts);
    if (!parts)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for %zu parts", count);
    step->parts = parts;
    step->part_count = count;
    for (size_t i = 0; i < count; ++i) {
        parts[i] = (sb_part){0};
        const sb_status status = set_part(builder, spec, i, step, &parts[i], &taken);
        if (status != SB_OK)
            return status;
    }
    return taken == room ? SB_OK : refuse(builder, spec, taken, "channels", room);
}
