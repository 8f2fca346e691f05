/* Adds a step without weights: what all operations share; direct_ops.c has what they do not. */
#include "direct.h"

#include "builder.h"
#include "complain.h"
#include "step.h"
#include "weights/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *sb_direct_name(size_t index) {
    const sb_direct_op *op = sb_direct_at(index);
    return op ? op->name : NULL;
}

static sb_status find_op(sb_builder *builder, const char *name, const sb_direct_op **op) {
    char names[SB_MESSAGE_BYTES] = "";
    size_t end = 0;
    for (size_t i = 0; (*op = sb_direct_at(i)); ++i) {
        if (name && !strcmp(name, (*op)->name))
            return SB_OK;
        if (end < sizeof names)
            end += (size_t)snprintf(names + end, sizeof names - end, "%s%s", i ? ", " : "",
                                    (*op)->name);
    }
    return sb_complain(builder, SB_INVALID_ARGUMENT, "step %zu: operation %.64s; allowed: %s",
                       builder->contents.step_count, name ? name : "NULL", names);
}

static sb_status check_types(sb_builder *builder, const sb_direct_op *op, const sb_step *step) {
    const sb_value *values = builder->contents.values;
    const sb_type input = values[step->input].type, output = values[step->output].type;
    const sb_type given = op->types == SB_TO_CODES ? SB_TYPE_F32 : SB_TYPE_U8;
    if (op->types == SB_COMPUTES)
        return sb_check_types(builder, step);
    if (op->types == SB_MOVES)
        return sb_check_same_codes(builder, step);
    if (op->types == SB_JOINS)
        return SB_OK; /* parts.c */
    if (input == given && output != given)
        return SB_OK;
    return sb_complain(builder, SB_INVALID_ARGUMENT, "step %zu: %s from %s to %s; allowed: %s",
                       builder->contents.step_count, op->name, sb_type_name(input),
                       sb_type_name(output),
                       given == SB_TYPE_F32 ? "from f32 to u8" : "from u8 to f32");
}

static sb_status check_count(sb_builder *builder, const sb_direct_op *op, const char *what,
                             size_t given, size_t taken) {
    if (given == taken)
        return SB_OK;
    return sb_complain(builder, SB_INVALID_ARGUMENT,
                       "step %zu: %s with %zu %s numbers; allowed: %zu",
                       builder->contents.step_count, op->name, given, what, taken);
}

static sb_status set_whole(sb_builder *builder, const sb_direct_op *op, const sb_numbers *given,
                           sb_layer *layer) {
    size_t taken = 0;
    while (taken < SB_NUMBERS && op->whole[taken].name)
        ++taken;
    const size_t count = given->data ? given->count : 0;
    const sb_status status =
        check_count(builder, op, "whole", op->indexed && count > taken ? taken : count, taken);
    for (size_t i = 0; status == SB_OK && i < taken; ++i) {
        const sb_direct_whole *number = &op->whole[i];
        layer->whole[i] = given->data[i];
        if (given->data[i] < number->least || given->data[i] > number->most)
            return sb_complain(builder, SB_INVALID_ARGUMENT,
                               "step %zu: %s with %s %d; allowed: %d..%d",
                               builder->contents.step_count, op->name, number->name, given->data[i],
                               number->least, number->most);
    }
    return status;
}

static sb_status set_real(sb_builder *builder, const sb_direct_op *op, const sb_floats *given,
                          sb_layer *layer) {
    size_t taken = 0;
    if (op->types == SB_JOINS)
        return SB_OK; /* a number for every part: parts.c */
    while (taken < SB_NUMBERS && op->real[taken].name)
        ++taken;
    const sb_status status =
        check_count(builder, op, "real", given->data ? given->count : 0, taken);
    for (size_t i = 0; status == SB_OK && i < taken; ++i) {
        const sb_direct_real *number = &op->real[i];
        layer->real[i] = given->data[i];
        if (isnan(given->data[i]) || (!number->infinite && !isfinite(given->data[i])) ||
            (!number->infinite && given->data[i] <= number->above))
            return sb_complain(
                builder, SB_INVALID_ARGUMENT, "step %zu: %s with %s %g; allowed: %s, above %g",
                builder->contents.step_count, op->name, number->name, (double)given->data[i],
                number->infinite ? "any number" : "finite", (double)number->above);
    }
    return status;
}

static sb_status check_more(sb_builder *builder, const sb_direct_op *op,
                            const sb_direct_spec *spec) {
    if (op->types == SB_JOINS || (!spec->more && !spec->more_count))
        return SB_OK;
    return sb_complain(builder, SB_INVALID_ARGUMENT, "step %zu: %s takes one input",
                       builder->contents.step_count, op->name);
}

/* Scale and epilogue, both complete where the operation takes a scale. */
static sb_status set_finish(sb_builder *builder, const sb_direct_op *op, const sb_direct_spec *spec,
                            sb_step *step) {
    const size_t channels = (size_t)step->layer.geometry.out_channels;
    sb_epilogue *epilogue = &step->layer.epilogue;
    sb_status status = SB_OK;
    if ((spec->scale.data && !op->scale) || (spec->epilogue && !op->epilogue))
        return sb_complain(builder, SB_INVALID_ARGUMENT, "step %zu: %s takes no %s",
                           builder->contents.step_count, op->name,
                           spec->scale.data && !op->scale ? "scale" : "epilogue");
    if (spec->epilogue)
        status = sb_set_epilogue(builder, spec->epilogue, channels, epilogue);
    if (status == SB_OK)
        status = sb_copy_floats(builder, &spec->scale, channels, "scale", &epilogue->scale);
    if (status == SB_OK && op->scale)
        status = sb_complete_epilogue(builder, channels, epilogue);
    return status;
}

static sb_status set_table(sb_builder *builder, const sb_direct_op *op, const sb_floats *table,
                           sb_step *step) {
    if (op->table)
        return sb_install_table(builder, table, step);
    if (!table->data)
        return SB_OK;
    return sb_complain(builder, SB_INVALID_ARGUMENT, "step %zu: %s takes no table",
                       builder->contents.step_count, op->name);
}

static sb_status find_kernel(sb_builder *builder, const sb_direct_op *op, sb_step *step) {
    const sb_value *values = builder->contents.values;
    const sb_type type = values[step->input].type;
    if (op->stage) {
        const bool codes = type == SB_TYPE_U8 || values[step->output].type == SB_TYPE_U8;
        step->kernel = sb_registry_stage(op->stage, builder->isa, codes ? SB_TYPE_U8 : SB_TYPE_F32);
        return SB_OK;
    }
    const char *kernel = op->kernel ? op->kernel : op->name;
    const sb_kernel_query query = {SB_STRATEGY_DIRECT, kernel, builder->isa, type, 0,
                                   SB_MAX_VECTORS,     false};
    return sb_find_kernel(builder, &query, step);
}

sb_status sb_builder_add_direct(sb_builder *builder, const sb_direct_spec *spec) {
    if (!builder || !spec)
        return SB_INVALID_ARGUMENT;
    sb_step step = {.layer = {.geometry = {.groups = 1}}};
    const uint32_t residual = spec->epilogue ? spec->epilogue->residual : SB_NO_VALUE;
    const sb_direct_op *op = NULL;
    sb_status status = find_op(builder, spec->op, &op);
    if (status == SB_OK) {
        step.layer.function = op->function;
        step.broadcasts = op->broadcasts;
        step.pairs = op->pairs;
    }
    if (status == SB_OK)
        status = sb_connect(builder, spec->input, residual, spec->output, &step);
    if (status == SB_OK)
        status = check_more(builder, op, spec);
    if (status == SB_OK)
        status = check_types(builder, op, &step);
    if (status == SB_OK)
        status = set_whole(builder, op, &spec->whole, &step.layer);
    if (status == SB_OK)
        status = set_real(builder, op, &spec->real, &step.layer);
    if (status == SB_OK)
        status = op->map(builder, spec, &step);
    if (status == SB_OK)
        status = set_finish(builder, op, spec, &step);
    if (status == SB_OK)
        status = set_table(builder, op, &spec->table, &step);
    if (status == SB_OK)
        status = find_kernel(builder, op, &step);
    if (status == SB_OK)
        status = op->place(builder, &step);
    return status == SB_OK ? sb_append_step(builder, &step) : status;
}
