#include "run.h"

#include "operands/centre.h"

#include <string.h>
#include <time.h>

/* What one thread works on: one image, or for late steps one image or the whole batch. */
typedef struct sb_turn {
    const sb_call *call;
    sb_member *member;
    size_t image, images;
} sb_turn;

/* A kernel for all threads to run. scratch: of every thread, scratch_bytes each. centred: NULL, or
 * where its input less the middle lies. */
typedef struct sb_stage {
    const sb_turn *turn;
    const sb_centred *centred;
    const sb_kernel_row *kernel;
    const sb_layer *layer;
    sb_operands operands;
    char *scratch;
    size_t scratch_bytes;
} sb_stage;

/* Pieces of a stage per thread: a thread that is done helps one that is not. Kernels that begin
 * every piece with the same work, as those that build tables do, have one. */
static size_t pieces_of(const sb_turn *turn, const sb_kernel_row *kernel) {
    const bool repeats =
        kernel->info.strategy == SB_STRATEGY_TABLE || strcmp(kernel->info.op, "linear") == 0;
    return turn->call->contents->threads * (repeats ? 1 : SB_PIECES);
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

static float *in_scratch(const sb_stage *stage, size_t offset_bytes) {
    return (float *)(void *)(stage->turn->call->scratch + offset_bytes);
}

/* Aims at an input that was centred and at the residual it brings. A thread that comes late knows
 * of neither: what lies in the scratch is told only to who has claimed a piece. */
static const sb_layer *aim_at_centred(const sb_stage *stage, sb_operands *operands,
                                      sb_layer *changed) {
    const sb_centred *centred = stage->centred;
    if (!centred || *in_scratch(stage, centred->middle_offset_bytes) == 0.0f)
        return stage->layer;
    operands->input = in_scratch(stage, centred->input_offset_bytes);
    operands->residual = in_scratch(stage, centred->output_offset_bytes);
    *changed = *stage->layer;
    changed->residual = sb_centred_view(changed);
    return changed;
}

static void run_piece(const void *argument, size_t thread, size_t piece, size_t pieces) {
    const sb_stage *stage = argument;
    sb_operands operands = stage->operands;
    operands.share = piece;
    operands.shares = pieces;
    if (stage->scratch)
        operands.scratch = stage->scratch + thread * stage->scratch_bytes;
    if (!operands.batch)
        operands.batch = stage->turn->images;
    sb_layer changed;
    stage->kernel->run(aim_at_centred(stage, &operands, &changed), &operands);
}

/* Returns when all of it is done. */
static void run_stage(const sb_stage *stage) {
    sb_team_share(stage->turn->member, pieces_of(stage->turn, stage->kernel), run_piece, stage);
}

/* A kernel that needs nothing but its operands. */
static void run_kernel(const sb_turn *turn, const sb_kernel_row *kernel, const sb_layer *layer,
                       sb_operands operands) {
    run_stage(&(sb_stage){.turn = turn, .kernel = kernel, .layer = layer, .operands = operands});
}

/* A private copy of *operand, which is aimed at it. */
static void copy_in(const sb_turn *turn, const sb_copy *copy, const void **operand) {
    void *target = turn->call->scratch + copy->offset_bytes;
    run_kernel(turn, copy->kernel, &copy->layer,
               (sb_operands){.input = *operand, .output = target});
    *operand = target;
}

static void find_middle(const void *argument, size_t thread, size_t piece, size_t pieces) {
    const sb_stage *stage = argument;
    (void)thread, (void)piece, (void)pieces;
    *in_scratch(stage, stage->centred->middle_offset_bytes) =
        sb_middle_of(stage->layer, stage->operands.input);
}

static void centre_piece(const void *argument, size_t thread, size_t piece, size_t pieces) {
    const sb_stage *stage = argument;
    const float middle = *in_scratch(stage, stage->centred->middle_offset_bytes);
    sb_operands operands = stage->operands;
    (void)thread;
    operands.share = piece;
    operands.shares = pieces;
    if (middle == 0.0f)
        return;
    operands.output = in_scratch(stage, stage->centred->input_offset_bytes);
    sb_centre_input(stage->layer, &operands, middle);
    operands.output = in_scratch(stage, stage->centred->output_offset_bytes);
    sb_centre_output(stage->layer, &operands, middle);
}

/* The input less its middle, and what that takes from the sums as a residual, where that pays. */
static void centre(const sb_turn *turn, const sb_step *step, const sb_operands *operands) {
    const sb_stage stage = {
        .turn = turn, .centred = &step->centred, .layer = &step->layer, .operands = *operands};
    sb_team_share(turn->member, 1, find_middle, &stage);
    sb_team_share(turn->member, turn->call->contents->threads, centre_piece, &stage);
}

/* NULL for steps whose inputs are never centred. */
static const sb_centred *centred_of(const sb_step *step) {
    return step->layer.epilogue.weight_sums && step->needs_totals ? &step->centred : NULL;
}

/* Private copies of the input and the residual, and channel totals; *operands is aimed at them. */
static void prepare(const sb_turn *turn, const sb_step *step, sb_operands *operands) {
    const sb_contents *contents = turn->call->contents;
    if (step->input_copy.kernel)
        copy_in(turn, &step->input_copy, &operands->input);
    if (step->residual_copy.kernel)
        copy_in(turn, &step->residual_copy, &operands->residual);
    if (centred_of(step))
        centre(turn, step, operands);
    if (step->needs_totals) {
        void *totals = turn->call->scratch + step->totals_offset_bytes;
        const sb_type type = contents->values[step->input].type;
        run_stage(&(sb_stage){.turn = turn,
                              .centred = centred_of(step),
                              .kernel = contents->stages[type].sum_channels,
                              .layer = &step->layer,
                              .operands = {.input = operands->input, .output = totals}});
        operands->totals = totals;
    }
}

/* The kernel on one value after the other, each into channels of its own. */
static void run_parts(const sb_turn *turn, const sb_step *step, sb_stage stage) {
    for (size_t i = 0; i < step->part_count; ++i) {
        const sb_part *part = &step->parts[i];
        stage.layer = &part->layer;
        stage.operands.input = address_of(turn, part->value);
        if (part->copy.kernel)
            copy_in(turn, &part->copy, &stage.operands.input);
        run_stage(&stage);
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
    operands.batch = step->linear ? turn->images * step->rows : turn->images;
    const sb_stage stage = {.turn = turn,
                            .centred = centred_of(step),
                            .kernel = step->kernel,
                            .layer = &step->layer,
                            .operands = operands,
                            .scratch = scratch + step->scratch_bytes,
                            .scratch_bytes = step->share_scratch_bytes};
    if (step->parts)
        run_parts(turn, step, stage);
    else
        run_stage(&stage);
    if (step->output_copy.kernel)
        run_kernel(turn, step->output_copy.kernel, &step->output_copy.layer,
                   (sb_operands){.input = operands.output, .output = target});
    else if (step->fills_halo)
        run_kernel(turn, stages->halo, &step->layer, (sb_operands){.output = target});
}

/* A value, plain, into the caller's copy for the turn's images. */
static void copy_value(const sb_turn *turn, uint32_t index, float *copy) {
    const sb_contents *contents = turn->call->contents;
    const sb_value *value = &contents->values[index];
    const bool codes = value->type == SB_TYPE_U8;
    const size_t bytes = value->elements * sb_type_bytes(value->type);
    sb_layer layer = {.real = {1.0f}};
    layer.geometry.in_channels = value->extent.channels;
    layer.geometry.in_height = value->extent.height;
    layer.geometry.in_width = value->extent.width;
    layer.input = value->view;
    for (size_t image = 0; image < turn->images; ++image) {
        const sb_operands operands = {.input =
                                          (const char *)address_of(turn, index) + image * bytes,
                                      .output = copy + (turn->image + image) * value->elements};
        run_kernel(turn, codes ? contents->dequantize : contents->stages[SB_TYPE_F32].relayout,
                   &layer, operands);
    }
}

/* Hardly any is: a layer takes as long to lay out as a small step to run. */
static void copy_if_asked(const sb_turn *turn, uint32_t index) {
    float *const *copies = turn->call->copies;
    if (copies && copies[index])
        copy_value(turn, index, copies[index]);
}

static double nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void run_timed(const sb_turn *turn, size_t index) {
    const sb_step *step = &turn->call->contents->steps[index];
    const bool timed = turn->call->step_ns && turn->member->number == 0;
    const double begin = timed ? nanoseconds() : 0.0;
    run_step(turn, step);
    if (timed)
        turn->call->step_ns[index] += nanoseconds() - begin;
    copy_if_asked(turn, step->output);
}

void sb_call_run(const void *argument, sb_member *member) {
    const sb_call *call = argument;
    const sb_contents *contents = call->contents;
    sb_turn turn = {call, member, 0, 1};
    for (; turn.image < call->batch; ++turn.image) {
        for (size_t i = 0; i < contents->input_count; ++i)
            copy_if_asked(&turn, contents->inputs[i]);
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
