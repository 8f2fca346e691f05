#include "run.h"

#include <time.h>

/* What one share works on: one image, or for late steps one image or the whole batch. */
typedef struct sb_turn {
    const sb_call *call;
    size_t share, image, images;
} sb_turn;

static void synchronize(const sb_turn *turn) {
    if (turn->call->team)
        sb_team_wait(turn->call->team);
}

/* Where the value of the turn's image lies. Inputs are only read. */
static void *address_of(const sb_turn *turn, uint32_t index) {
    const sb_call *call = turn->call;
    const sb_value *value = &call->contents->values[index];
    if (value->place == SB_PLACE_INPUT)
        return (float *)(uintptr_t)(call->inputs[value->port] + turn->image * value->elements);
    if (value->place == SB_PLACE_OUTPUT)
        return call->outputs[value->port] + turn->image * value->elements;
    if (value->place == SB_PLACE_BATCH)
        return call->batch_values + value->offset_bytes * call->batch +
               turn->image * value->elements * sb_type_bytes(value->type);
    return call->arena + value->offset_bytes;
}

static void run_stage(const sb_turn *turn, const sb_kernel_row *kernel, const sb_layer *layer,
                      sb_operands operands) {
    operands.share = turn->share;
    operands.shares = turn->call->shares;
    if (!operands.batch)
        operands.batch = turn->images;
    kernel->run(layer, &operands);
}

/* A private copy of *operand, which is aimed at it. */
static void copy_in(const sb_turn *turn, const sb_copy *copy, const void **operand) {
    void *target = turn->call->scratch + copy->offset_bytes;
    run_stage(turn, copy->kernel, &copy->layer, (sb_operands){.input = *operand, .output = target});
    *operand = target;
}

/* Private copies of the input and the residual, and channel totals; *operands is aimed at them. */
static void prepare(const sb_turn *turn, const sb_step *step, sb_operands *operands) {
    const sb_contents *contents = turn->call->contents;
    if (step->input_copy.kernel)
        copy_in(turn, &step->input_copy, &operands->input);
    if (step->residual_copy.kernel)
        copy_in(turn, &step->residual_copy, &operands->residual);
    if (step->input_copy.kernel || step->residual_copy.kernel)
        synchronize(turn);
    if (step->needs_totals) {
        void *totals = turn->call->scratch + step->totals_offset_bytes;
        run_stage(turn, contents->stages[contents->values[step->input].type].sum_channels,
                  &step->layer, (sb_operands){.input = operands->input, .output = totals});
        operands->totals = totals;
        synchronize(turn);
    }
}

/* The kernel on one value after the other, each into channels of its own. */
static void run_parts(const sb_turn *turn, const sb_step *step, sb_operands operands) {
    bool copied = false;
    for (size_t i = 0; i < step->part_count; ++i) {
        const sb_copy *copy = &step->parts[i].copy;
        const void *input = address_of(turn, step->parts[i].value);
        if (copy->kernel)
            copy_in(turn, copy, &input);
        copied |= copy->kernel != NULL;
    }
    if (copied)
        synchronize(turn);
    for (size_t i = 0; i < step->part_count; ++i) {
        const sb_part *part = &step->parts[i];
        operands.input = part->copy.kernel ? turn->call->scratch + part->copy.offset_bytes
                                           : address_of(turn, part->value);
        run_stage(turn, step->kernel, &part->layer, operands);
    }
}

static void run_step(const sb_turn *turn, const sb_step *step) {
    const sb_contents *contents = turn->call->contents;
    const sb_stages *stages = &contents->stages[contents->values[step->output].type];
    char *scratch = turn->call->scratch;
    void *target = address_of(turn, step->output);
    sb_operands operands = {.input = address_of(turn, step->input), .output = target};
    if (step->residual != SB_NO_VALUE)
        operands.residual = address_of(turn, step->residual);
    if (!step->parts)
        prepare(turn, step, &operands);
    if (step->output_copy.kernel)
        operands.output = scratch + step->output_copy.offset_bytes;
    operands.scratch = scratch + step->scratch_bytes + turn->share * step->share_scratch_bytes;
    operands.batch = step->linear ? turn->images * step->rows : turn->images;
    if (step->parts)
        run_parts(turn, step, operands);
    else
        run_stage(turn, step->kernel, &step->layer, operands);
    synchronize(turn);
    if (step->output_copy.kernel)
        run_stage(turn, step->output_copy.kernel, &step->output_copy.layer,
                  (sb_operands){.input = operands.output, .output = target});
    else if (step->fills_halo)
        run_stage(turn, stages->halo, &step->layer, (sb_operands){.output = target});
    else
        return;
    synchronize(turn);
}

/* The caller's copy of a value, plain, for the turn's images. */
static void copy_value(const sb_turn *turn, uint32_t index) {
    const sb_value *value = &turn->call->contents->values[index];
    float *const *copies = turn->call->copies;
    const sb_contents *contents = turn->call->contents;
    const bool codes = value->type == SB_TYPE_U8;
    const size_t bytes = value->elements * sb_type_bytes(value->type);
    sb_layer layer = {.real = {1.0f}};
    if (!copies || !copies[index])
        return;
    layer.geometry.in_channels = value->extent.channels;
    layer.geometry.in_height = value->extent.height;
    layer.geometry.in_width = value->extent.width;
    layer.input = value->view;
    for (size_t image = 0; image < turn->images; ++image) {
        const sb_operands operands = {
            .input = (const char *)address_of(turn, index) + image * bytes,
            .output = copies[index] + (turn->image + image) * value->elements};
        run_stage(turn, codes ? contents->dequantize : contents->stages[SB_TYPE_F32].relayout,
                  &layer, operands);
    }
    synchronize(turn);
}

static double nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void run_timed(const sb_turn *turn, size_t index) {
    const sb_step *step = &turn->call->contents->steps[index];
    const bool timed = turn->call->step_ns && turn->share == 0;
    const double begin = timed ? nanoseconds() : 0.0;
    run_step(turn, step);
    if (timed)
        turn->call->step_ns[index] += nanoseconds() - begin;
    copy_value(turn, step->output);
}

void sb_call_run(void *argument, size_t share) {
    const sb_call *call = argument;
    const sb_contents *contents = call->contents;
    sb_turn turn = {call, share, 0, 1};
    for (; turn.image < call->batch; ++turn.image) {
        for (size_t i = 0; i < contents->input_count; ++i)
            copy_value(&turn, contents->inputs[i]);
        for (size_t i = 0; i < contents->step_count; ++i)
            if (!contents->steps[i].late)
                run_timed(&turn, i);
    }
    for (size_t i = 0; i < contents->step_count; ++i) {
        if (!contents->steps[i].late)
            continue;
        turn.images = contents->steps[i].whole_batch ? call->batch : 1;
        for (turn.image = 0; turn.image < call->batch; turn.image += turn.images)
            run_timed(&turn, i);
    }
}
