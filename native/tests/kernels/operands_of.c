#include "operands_of.h"

#include "guard.h"
#include "kernels/dense/product_format.h"
#include "kernels/view.h"
#include "operands/view_plan.h"

#include <string.h>

/* What a view of an image takes. */
static size_t view_bytes(const sb_view *view, const sb_extent *extent, size_t element) {
    size_t elements = 0;
    (void)sb_view_elements(view, extent, &elements);
    return elements * element;
}

/* Of a value as it lies in the program, as many images as the step works on. */
static size_t value_bytes(const sb_contents *contents, uint32_t index, size_t images) {
    return index == SB_NO_VALUE ? 0 : contents->values[index].bytes * images;
}

static size_t element_of(const sb_contents *contents, uint32_t index) {
    return sb_type_bytes(contents->values[index].type);
}

/* Of a private copy of a value, seen from the side that is not the value. */
static size_t copy_bytes(const sb_contents *contents, const sb_copy *copy, const sb_view *view,
                         uint32_t index) {
    const bool bytes = !strcmp(copy->kernel->info.op, "bytes");
    return view_bytes(view, &contents->values[index].extent,
                      bytes ? 1 : element_of(contents, index));
}

static size_t totals_bytes(const sb_step *step) {
    const sb_layer *layer = &step->layer;
    return (size_t)sb_view_rows(&layer->input) * (size_t)sb_view_columns(&layer->input) *
           (size_t)step->kernel->info.lanes * (size_t)layer->geometry.groups * sizeof(int32_t);
}

/* The input as the step's own kernel reads it. Windows over an image of bytes may read a step
 * beyond it. */
static size_t input_bytes(const sb_contents *contents, const sb_step *step, size_t images) {
    const sb_copy *copy = &step->input_copy;
    if (!copy->kernel)
        return value_bytes(contents, step->input, images);
    return copy_bytes(contents, copy, &copy->layer.output, step->input) +
           (strcmp(copy->kernel->info.op, "bytes") ? 0 : SB_MOST_STEP_BYTES);
}

static size_t output_bytes(const sb_contents *contents, const sb_step *step, size_t images) {
    const sb_copy *copy = &step->output_copy;
    if (!copy->kernel)
        return value_bytes(contents, step->output, images);
    return copy_bytes(contents, copy, &copy->layer.input, step->output);
}

static void of_own_kernel(const sb_contents *contents, const sb_step *step, size_t images,
                          check_extents *extents) {
    const sb_copy *copy = &step->residual_copy;
    extents->bytes[CHECK_INPUT] = input_bytes(contents, step, images);
    extents->bytes[CHECK_OUTPUT] = output_bytes(contents, step, images);
    extents->bytes[CHECK_RESIDUAL] =
        copy->kernel ? copy_bytes(contents, copy, &copy->layer.output, step->residual)
                     : value_bytes(contents, step->residual, images);
    extents->bytes[CHECK_TOTALS] = step->needs_totals ? totals_bytes(step) : 0;
    extents->bytes[CHECK_SCRATCH] = step->share_scratch_bytes;
}

static void of_copy_in(const sb_contents *contents, const sb_copy *copy, uint32_t value,
                       check_extents *extents) {
    extents->bytes[CHECK_INPUT] = value_bytes(contents, value, 1);
    extents->bytes[CHECK_OUTPUT] = copy_bytes(contents, copy, &copy->layer.output, value);
}

static void of_copy_out(const sb_contents *contents, const sb_step *step, check_extents *extents) {
    const sb_copy *copy = &step->output_copy;
    extents->bytes[CHECK_INPUT] = copy_bytes(contents, copy, &copy->layer.input, step->output);
    extents->bytes[CHECK_OUTPUT] = value_bytes(contents, step->output, 1);
}

/* Stages that the step's own layer describes. */
static void of_stage(const sb_contents *contents, const sb_step *step, const char *op,
                     size_t images, check_extents *extents) {
    if (!strcmp(op, "halo")) {
        extents->bytes[CHECK_OUTPUT] = value_bytes(contents, step->output, 1);
    } else {
        extents->bytes[CHECK_INPUT] = input_bytes(contents, step, images);
        extents->bytes[CHECK_OUTPUT] = totals_bytes(step);
    }
}

static bool of_part(const sb_contents *contents, const sb_step *step, const sb_layer *layer,
                    size_t images, check_extents *extents) {
    for (size_t i = 0; i < step->part_count; ++i) {
        const sb_part *part = &step->parts[i];
        if (layer == &part->copy.layer) {
            of_copy_in(contents, &part->copy, part->value, extents);
            return true;
        }
        if (layer == &part->layer) {
            extents->bytes[CHECK_INPUT] =
                part->copy.kernel
                    ? copy_bytes(contents, &part->copy, &part->copy.layer.output, part->value)
                    : value_bytes(contents, part->value, images);
            extents->bytes[CHECK_OUTPUT] = output_bytes(contents, step, images);
            extents->bytes[CHECK_SCRATCH] = step->share_scratch_bytes;
            return true;
        }
    }
    return false;
}

static bool of_step(const sb_contents *contents, const sb_step *step, const sb_kernel_row *kernel,
                    const sb_layer *layer, const sb_operands *operands, check_extents *extents) {
    const size_t images = step->whole_batch ? operands->batch / (step->linear ? step->rows : 1) : 1;
    const char *op = kernel->info.op;
    const bool stage = !strcmp(op, "halo") || !strcmp(op, "sum_channels");
    if (layer == &step->layer && stage)
        of_stage(contents, step, op, images, extents);
    else if (layer == &step->layer)
        of_own_kernel(contents, step, images, extents);
    else if (layer == &step->input_copy.layer)
        of_copy_in(contents, &step->input_copy, step->input, extents);
    else if (layer == &step->residual_copy.layer)
        of_copy_in(contents, &step->residual_copy, step->residual, extents);
    else if (layer == &step->output_copy.layer)
        of_copy_out(contents, step, extents);
    else
        return of_part(contents, step, layer, images, extents);
    return true;
}

void check_find_extents(const sb_contents *contents, const sb_kernel_row *kernel,
                        const sb_layer *layer, const sb_operands *operands,
                        check_extents *extents) {
    *extents = (check_extents){0};
    for (size_t i = 0; i < contents->step_count; ++i)
        if (of_step(contents, &contents->steps[i], kernel, layer, operands, extents))
            return;
    /* A copy for the caller: from a value's view to plain float32 numbers. */
    const sb_geometry *geometry = &layer->geometry;
    const sb_extent extent = {geometry->in_channels, geometry->in_height, geometry->in_width};
    const sb_view plain = {0};
    extents->bytes[CHECK_INPUT] = view_bytes(
        &layer->input, &extent, kernel->info.type == SB_TYPE_U8 ? sizeof(sb_code) : sizeof(float));
    extents->bytes[CHECK_OUTPUT] = view_bytes(&plain, &extent, sizeof(float));
}

void check_name_arrays(const sb_layer *layer) {
    const struct {
        const void *array;
        const char *name;
    } arrays[] = {{layer->weights, "the weights"},
                  {layer->integers, "the integer weights"},
                  {layer->products.blocks, "the blocks of products"},
                  {layer->products.weights, "the weights of products"},
                  {layer->products.offsets, "the offsets of products"},
                  {layer->tables.masks, "the bits of tables"},
                  {layer->tables.digit_sums, "the sums of digits"},
                  {layer->buckets.groups, "the groups of walks"},
                  {layer->buckets.counts, "the counts of walks"},
                  {layer->buckets.offsets, "the offsets of walks"},
                  {layer->sum_list.segments, "the segments of sums"},
                  {layer->sum_list.words, "the words of sums"},
                  {layer->bits.plus, "the bitmaps"},
                  {layer->bits.minus, "the bitmaps of minus"},
                  {layer->sums.flip, "the flips of sums"},
                  {layer->sums.twice, "what counts twice"},
                  {layer->sums.shift, "the shifts of sums"},
                  {layer->epilogue.scale, "the scale"},
                  {layer->epilogue.offset, "the offset"},
                  {layer->epilogue.bias, "the bias"},
                  {layer->epilogue.slope, "the slope"},
                  {layer->epilogue.post_bias, "the bias behind the activation"},
                  {layer->table, "the table"},
                  {layer->walk, "the walk"},
                  {layer->rows, "the rows"},
                  {layer->columns, "the columns"},
                  {layer->row_shares, "the shares of rows"},
                  {layer->column_shares, "the shares of columns"}};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; ++i)
        if (arrays[i].array)
            check_rename(arrays[i].array, arrays[i].name);
}
