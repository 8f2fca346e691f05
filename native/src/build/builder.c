#include "builder.h"

#include "checked.h"
#include "complain.h"
#include "jit/generate.h"
#include "operands/operands.h"
#include "operands/view_plan.h"
#include "run/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

sb_status sb_builder_create(const sb_builder_spec *spec, sb_builder **builder) {
    if (!builder || !spec || (unsigned)spec->isa >= SB_ISA_COUNT || spec->threads < 1 ||
        spec->threads > SB_MAX_THREADS)
        return SB_INVALID_ARGUMENT;
    if (!sb_cpu_runs(spec->isa))
        return SB_UNSUPPORTED_ISA;
    sb_builder *created = calloc(1, sizeof *created);
    if (!created)
        return SB_OUT_OF_MEMORY;
    created->isa = spec->isa;
    created->generates = spec->generates;
    sb_contents *contents = &created->contents;
    contents->arena_bytes = spec->arena_bytes;
    contents->batch_bytes = spec->batch_bytes;
    contents->threads = (size_t)spec->threads;
    for (int type = 0; type < SB_TYPE_COUNT; ++type)
        contents->stages[type] =
            (sb_stages){sb_registry_stage("relayout", spec->isa, (sb_type)type),
                        sb_registry_stage("halo", spec->isa, (sb_type)type),
                        sb_registry_stage("sum_channels", spec->isa, (sb_type)type)};
    contents->dequantize = sb_registry_stage("dequantize", spec->isa, SB_TYPE_U8);
    *builder = created;
    return SB_OK;
}

void sb_builder_free(sb_builder *builder) {
    if (builder)
        sb_contents_free(&builder->contents);
    free(builder);
}

const char *sb_builder_message(const sb_builder *builder) {
    return builder ? builder->message : "";
}

/* Room for one more element: doubles the array. NULL leaves the array as it was. */
static void *grown(void *array, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity)
        return array;
    const size_t more = *capacity ? *capacity * 2 : 16;
    if (more > SIZE_MAX / size)
        return NULL;
    void *moved = realloc(array, more * size);
    if (moved)
        *capacity = more;
    return moved;
}

static sb_status place_in_memory(sb_builder *builder, const sb_value *value) {
    const sb_contents *contents = &builder->contents;
    const bool batch = value->place == SB_PLACE_BATCH;
    const size_t room = batch ? contents->batch_bytes : contents->arena_bytes;
    const size_t alignment = value->view.lanes ? 64 : sb_type_bytes(value->type);
    if (value->offset_bytes % alignment || value->bytes > room ||
        value->offset_bytes > room - value->bytes)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "value %zu: %zu bytes at offset %zu; allowed: multiples of %zu within "
                           "the %s of %zu bytes",
                           contents->value_count, value->bytes, value->offset_bytes, alignment,
                           batch ? "batch memory" : "arena", room);
    return SB_OK;
}

/* How many values there are of a place that is the caller's. */
static size_t *ports_of(sb_builder *builder, sb_place place) {
    sb_contents *contents = &builder->contents;
    return place == SB_PLACE_INPUT ? &contents->input_count : &contents->output_count;
}

static sb_status place_value(sb_builder *builder, const sb_value *value) {
    const sb_contents *contents = &builder->contents;
    if (value->place == SB_PLACE_ARENA || value->place == SB_PLACE_BATCH)
        return place_in_memory(builder, value);
    if (value->place != SB_PLACE_INPUT && value->place != SB_PLACE_OUTPUT)
        return sb_complain(builder, SB_INVALID_ARGUMENT, "value %zu: place %d is none",
                           contents->value_count, (int)value->place);
    if (value->type != SB_TYPE_F32)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "value %zu: input and output of a program hold %s; allowed: f32",
                           contents->value_count, sb_type_name(value->type));
    if (*ports_of(builder, value->place) == SB_MAX_PORTS)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "value %zu: one more %s; allowed: %d at most", contents->value_count,
                           value->place == SB_PLACE_INPUT ? "input" : "output", SB_MAX_PORTS);
    return SB_OK;
}

static sb_status check_type(sb_builder *builder, const sb_value *value) {
    const bool codes = value->type == SB_TYPE_U8;
    if ((unsigned)value->type >= SB_TYPE_COUNT)
        return sb_complain(builder, SB_INVALID_ARGUMENT, "value %zu: type %d is none",
                           builder->contents.value_count, (int)value->type);
    if (codes ? value->zero < 0 || value->zero > value->top || value->top < 1 ||
                    value->top > UINT8_MAX
              : value->zero || value->top)
        return sb_complain(
            builder, SB_INVALID_ARGUMENT,
            "value %zu: zero %d and top %d; allowed: 0 <= zero <= top, top 1..%d for "
            "codes, 0 and 0 for f32",
            builder->contents.value_count, value->zero, value->top, UINT8_MAX);
    return SB_OK;
}

static bool fill_fits(const sb_value *value, float fill) {
    if (value->type == SB_TYPE_F32)
        return fill == 0.0f || fill == -INFINITY;
    return fill >= 0.0f && fill <= (float)value->top && fill == (float)(int32_t)fill;
}

/* The value's view, checked; value->bytes. */
static sb_status set_view(sb_builder *builder, const sb_layout_spec *layout, sb_value *value) {
    const size_t index = builder->contents.value_count;
    const int32_t lanes = sb_isa_lanes(builder->isa, value->type);
    size_t elements;
    value->view =
        (sb_view){layout->lanes,       layout->blocks_y, layout->blocks_x, layout->block_height,
                  layout->block_width, layout->top,      layout->bottom,   layout->left,
                  layout->right,       layout->pitch,    layout->fill};
    if (!layout->lanes)
        value->view = (sb_view){0};
    else if (value->place != SB_PLACE_ARENA || layout->lanes != lanes ||
             !sb_view_holds(&value->view, &value->extent) || !fill_fits(value, layout->fill))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "value %zu: a layout of %d x %d blocks of %d x %d pixels; allowed: in "
                           "the arena, %d blocks that cover the image, pitch of at least the "
                           "channels, no negative halo, fill 0 or -infinity, of codes a code",
                           index, layout->blocks_y, layout->blocks_x, layout->block_height,
                           layout->block_width, lanes);
    if (!sb_view_elements(&value->view, &value->extent, &elements))
        return sb_complain(builder, SB_OVERFLOW, "value %zu: its layout does not fit memory",
                           index);
    value->bytes = elements * sb_type_bytes(value->type);
    return SB_OK;
}

static bool count_elements(const sb_value_spec *spec, size_t *elements) {
    const int32_t extents[] = {spec->channels, spec->height, spec->width};
    size_t count = 1;
    for (int i = 0; i < 3; ++i) {
        if (extents[i] < 1 || extents[i] > SB_MAX_ELEMENTS)
            return false;
        count *= (size_t)extents[i];
        if (count > SB_MAX_ELEMENTS)
            return false;
    }
    *elements = count;
    return true;
}

sb_status sb_builder_add_value(sb_builder *builder, const sb_value_spec *spec, uint32_t *value) {
    if (!builder || !spec || !value)
        return SB_INVALID_ARGUMENT;
    sb_contents *contents = &builder->contents;
    sb_value added = {.extent = {spec->channels, spec->height, spec->width},
                      .type = spec->type,
                      .zero = spec->zero,
                      .top = spec->top,
                      .place = spec->place,
                      .offset_bytes = spec->offset_bytes};
    if (!count_elements(spec, &added.elements))
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "value %zu: shape %d x %d x %d; allowed: extents of at least 1 and at "
                           "most %d elements",
                           contents->value_count, spec->channels, spec->height, spec->width,
                           SB_MAX_ELEMENTS);
    sb_status status = check_type(builder, &added);
    if (status == SB_OK)
        status = set_view(builder, &spec->layout, &added);
    if (status == SB_OK)
        status = place_value(builder, &added);
    if (status != SB_OK)
        return status;
    if (contents->value_count >= SB_NO_VALUE)
        return sb_complain(builder, SB_OVERFLOW, "too many values");
    sb_value *values =
        grown(contents->values, contents->value_count, &contents->value_capacity, sizeof *values);
    if (!values)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for another value");
    contents->values = values;
    *value = (uint32_t)contents->value_count++;
    if (spec->place == SB_PLACE_INPUT || spec->place == SB_PLACE_OUTPUT) {
        added.port = (*ports_of(builder, spec->place))++;
        (spec->place == SB_PLACE_INPUT ? contents->inputs : contents->outputs)[added.port] = *value;
    }
    added.written = spec->place == SB_PLACE_INPUT;
    values[*value] = added;
    return SB_OK;
}

/* A step that reads what a late step wrote is late, and lives on values of the batch alone. */
static sb_status order_step(sb_builder *builder, sb_step *step) {
    const sb_value *values = builder->contents.values;
    bool follows =
        values[step->input].late || (step->residual != SB_NO_VALUE && values[step->residual].late);
    for (size_t i = 0; i < step->part_count; ++i)
        follows |= values[step->parts[i].value].late;
    return follows && !step->late ? sb_place_batch(builder, step) : SB_OK;
}

static bool never_negative(const sb_epilogue *epilogue) {
    const bool raised = epilogue->activation == SB_ACT_RELU ||
                        (epilogue->activation == SB_ACT_CLAMP && epilogue->low >= 0.0f);
    return raised && !epilogue->post_bias;
}

static bool joins_no_negative(const sb_contents *contents, const sb_step *step) {
    bool found = step->part_count > 0;
    for (size_t i = 0; i < step->part_count; ++i)
        found &= contents->values[step->parts[i].value].not_negative;
    return found;
}

sb_status sb_append_step(sb_builder *builder, sb_step *step) {
    sb_contents *contents = &builder->contents;
    size_t scratch = step->share_scratch_bytes;
    const sb_status status = order_step(builder, step);
    if (status != SB_OK)
        return status;
    if (!sb_checked_multiply(&scratch, contents->threads) ||
        !sb_checked_add(&scratch, step->scratch_bytes))
        return sb_complain(builder, SB_OVERFLOW, "step %zu: its scratch does not fit memory",
                           contents->step_count);
    sb_step *steps =
        grown(contents->steps, contents->step_count, &contents->step_capacity, sizeof *steps);
    if (!steps)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for another step");
    contents->steps = steps;
    steps[contents->step_count++] = *step;
    sb_value *output = &contents->values[step->output];
    output->written = true;
    output->late = step->late;
    output->not_negative =
        never_negative(&step->layer.epilogue) || joins_no_negative(contents, step);
    if (scratch > contents->scratch_bytes)
        contents->scratch_bytes = scratch;
    return SB_OK;
}

sb_status sb_builder_finish(sb_builder *builder, sb_program **program) {
    if (!builder || !program)
        return SB_INVALID_ARGUMENT;
    sb_contents *contents = &builder->contents;
    if (!contents->input_count || !contents->output_count)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "a program needs an input value and an output value");
    for (size_t i = 0; i < contents->output_count; ++i)
        if (!contents->values[contents->outputs[i]].written)
            return sb_complain(builder, SB_INVALID_ARGUMENT, "no step writes output %zu, value %u",
                               i, contents->outputs[i]);
    sb_program *finished = calloc(1, sizeof *finished);
    sb_arena_pool *arenas = sb_arena_pool_create();
    sb_team *team = contents->threads > 1 ? sb_team_create(contents->threads) : NULL;
    if (!finished || !arenas || (contents->threads > 1 && !team)) {
        free(finished);
        sb_arena_pool_free(arenas);
        sb_team_free(team);
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for the program, or no threads");
    }
    if (builder->generates)
        sb_generate_machine_code(contents);
    finished->team = team;
    finished->contents = *contents;
    finished->arenas = arenas;
    memset(contents, 0, sizeof *contents);
    *program = finished;
    return SB_OK;
}
