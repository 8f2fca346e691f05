/* The operations without weights, one row each: see direct.h. A new one is a row here, its kernels
 * in kernels/direct/ and their rows in kernels.def. */
#include "direct.h"

#include "complain.h"
#include "operands/operands.h"
#include "parts.h"
#include "resample.h"
#include "rows.h"

#include <math.h>

/* ---- shapes ------------------------------------------------------------------------------- */

static const sb_window_spec POINT = {1, 1, 1, 1, 0, 0, 0, 0, 1, 1};

static sb_status refuse_shapes(sb_builder *builder, const sb_direct_spec *spec, const sb_step *step,
                               const char *allowed) {
    const sb_geometry *geometry = &step->layer.geometry;
    return sb_complain(builder, SB_INVALID_ARGUMENT,
                       "step %zu: %s from %d x %d x %d to %d x %d x %d; allowed: %s",
                       builder->contents.step_count, spec->op, geometry->in_channels,
                       geometry->in_height, geometry->in_width, geometry->out_channels,
                       geometry->out_height, geometry->out_width, allowed);
}

static sb_status map_same(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    const sb_value *values = builder->contents.values;
    if (!sb_same_shape(&values[step->input], &values[step->output]))
        return refuse_shapes(builder, spec, step, "the same shape");
    return sb_set_window(builder, &POINT, &step->layer.geometry);
}

/* The second operand is the residual. */
static sb_status map_product(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    if (step->residual == SB_NO_VALUE)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: %s of one value; allowed: a second one, as the residual",
                           builder->contents.step_count, spec->op);
    return map_same(builder, spec, step);
}

/* Elements are counted in the order [C][H][W], which a lane-blocked output of another shape does
 * not have. */
static sb_status map_elements(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    const sb_value *input = &builder->contents.values[step->input];
    const sb_value *output = &builder->contents.values[step->output];
    if (input->elements != output->elements)
        return refuse_shapes(builder, spec, step, "as many elements");
    if (output->view.lanes && !sb_same_shape(input, output))
        return refuse_shapes(builder, spec, step, "a plain value, or one of the same shape");
    return SB_OK;
}

static sb_status map_pool(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    sb_geometry *geometry = &step->layer.geometry;
    const sb_status status = sb_set_window(builder, &spec->window, geometry);
    if (status != SB_OK)
        return status;
    if (geometry->in_channels != geometry->out_channels)
        return refuse_shapes(builder, spec, step, "as many channels");
    const int64_t reach_down = (int64_t)geometry->dilation_height * (geometry->kernel_height - 1);
    const int64_t reach_right = (int64_t)geometry->dilation_width * (geometry->kernel_width - 1);
    if (geometry->padding_top <= reach_down && geometry->padding_bottom <= reach_down &&
        geometry->padding_left <= reach_right && geometry->padding_right <= reach_right)
        return SB_OK;
    return sb_complain(builder, SB_INVALID_ARGUMENT,
                       "step %zu: %s with padding %d x %d before and %d x %d after; allowed: less "
                       "than the dilated kernel, %lld x %lld",
                       builder->contents.step_count, spec->op, geometry->padding_top,
                       geometry->padding_left, geometry->padding_bottom, geometry->padding_right,
                       (long long)reach_down + 1, (long long)reach_right + 1);
}

/* Sums of codes must fit int32. */
static sb_status map_average(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    const sb_geometry *geometry = &step->layer.geometry;
    const sb_value *input = &builder->contents.values[step->input];
    const sb_status status = map_pool(builder, spec, step);
    if (status != SB_OK)
        return status;
    if (geometry->dilation_height != 1 || geometry->dilation_width != 1)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: %s with dilation %d x %d; allowed: 1 x 1",
                           builder->contents.step_count, spec->op, geometry->dilation_height,
                           geometry->dilation_width);
    const int64_t taps = (int64_t)geometry->kernel_height * geometry->kernel_width;
    if (input->type == SB_TYPE_U8 && taps > INT32_MAX / input->top)
        return sb_complain(builder, SB_UNSUPPORTED,
                           "step %zu: %s over %lld codes, whose sum does not fit int32",
                           builder->contents.step_count, spec->op, (long long)taps);
    return SB_OK;
}

static sb_status map_parts(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    const sb_status status = sb_set_window(builder, &POINT, &step->layer.geometry);
    return status == SB_OK ? sb_set_parts(builder, spec, step) : status;
}

static sb_status map_subsampled(sb_builder *builder, const sb_direct_spec *spec, sb_step *step) {
    sb_geometry *geometry = &step->layer.geometry;
    const int64_t before = spec->whole.data[0], after = spec->whole.data[1];
    sb_window_spec window = POINT;
    window.stride_height = spec->window.stride_height;
    window.stride_width = spec->window.stride_width;
    window.padding_top = spec->window.padding_top;
    window.padding_left = spec->window.padding_left;
    window.padding_bottom = spec->window.padding_bottom;
    window.padding_right = spec->window.padding_right;
    if (before + geometry->in_channels + after != geometry->out_channels)
        return sb_complain(builder, SB_INVALID_ARGUMENT,
                           "step %zu: %s of %d channels between %lld and %lld others does not make "
                           "%d",
                           builder->contents.step_count, spec->op, geometry->in_channels,
                           (long long)before, (long long)after, geometry->out_channels);
    return sb_set_window(builder, &window, geometry);
}

/* ---- operands ----------------------------------------------------------------------------- */

/* Padding is zero, of codes the code that stands for it. */
static sb_status place_pixels(sb_builder *builder, sb_step *step) {
    return sb_place_windows(builder, (float)builder->contents.values[step->input].zero, step);
}

/* As they lie, where they are vectors of float32; lanes would hold one channel each. */
static sb_status place_elementwise(sb_builder *builder, sb_step *step) {
    const sb_value *values = builder->contents.values;
    const sb_value *input = &values[step->input], *output = &values[step->output];
    const bool plain = !input->view.lanes && !output->view.lanes &&
                       (step->residual == SB_NO_VALUE || !values[step->residual].view.lanes);
    const bool floats = input->type == SB_TYPE_F32 && output->type == SB_TYPE_F32;
    if (!plain || !floats || input->extent.height != 1 || input->extent.width != 1)
        return place_pixels(builder, step);
    sb_place_relay(builder, step);
    return SB_OK;
}

/* Padding is less than any number, or code 0. */
static sb_status place_maximum(sb_builder *builder, sb_step *step) {
    const bool codes = builder->contents.values[step->input].type == SB_TYPE_U8;
    return sb_place_windows(builder, codes ? 0.0f : -INFINITY, step);
}

/* One window, without padding. */
static bool covers_image(const sb_geometry *geometry) {
    return geometry->kernel_height == geometry->in_height &&
           geometry->kernel_width == geometry->in_width && !geometry->padding_top &&
           !geometry->padding_left && !geometry->padding_bottom && !geometry->padding_right;
}

static sb_status place_average(sb_builder *builder, sb_step *step) {
    if (covers_image(&step->layer.geometry))
        return sb_place_whole_image(builder, step);
    return place_pixels(builder, step);
}

/* Elements in any order, where nothing is lane-blocked. */
static sb_status place_elements(sb_builder *builder, sb_step *step) {
    const sb_value *values = builder->contents.values;
    if (values[step->input].view.lanes || values[step->output].view.lanes)
        return place_pixels(builder, step);
    sb_place_relay(builder, step);
    return SB_OK;
}

/* The kernel takes the input's view straight to the output's. */
static sb_status place_relay(sb_builder *builder, sb_step *step) {
    sb_place_relay(builder, step);
    return SB_OK;
}

static sb_status place_quantized(sb_builder *builder, sb_step *step) {
    sb_place_relay(builder, step);
    if (!sb_reserve_quantize(&step->layer, step))
        return sb_complain(builder, SB_OVERFLOW, "step %zu: its scratch does not fit memory",
                           builder->contents.step_count);
    return SB_OK;
}

/* ---- the operations ----------------------------------------------------------------------- */

static const sb_direct_op OPS[] = {
    /* y = act(scale[c] * x + bias[c] [+ residual]) + post_bias[c]: batch norm, shortcuts,
     * activations, channel bias. Of codes A = q - zero. */
    {.name = "elementwise",
     .scale = true,
     .epilogue = true,
     .map = map_same,
     .place = place_elementwise},
    /* The same elements in the order [C][H][W], in another shape. */
    {.name = "flatten",
     .stage = "relayout",
     .types = SB_MOVES,
     .map = map_elements,
     .place = place_relay},
    /* The largest of every window; padding counts as -infinity, of codes as 0. */
    {.name = "max_pool2d", .types = SB_MOVES, .map = map_pool, .place = place_maximum},
    /* The sum of every window / R*S, or / its pixels inside the image; without dilation. Of codes
     * f = (sum (q - zero) / taps) * scale[c], then as in sb_epilogue_spec. */
    {.name = "avg_pool2d",
     .scale = true,
     .whole = {{"count_include_pad", 0, 1}},
     .map = map_average,
     .place = place_average},
    /* y[:, before:before + C] = x[:, :, ::stride_height, ::stride_width], x with zeros around it;
     * other channels are zero; the code of zeros is the output's zero. */
    {.name = "subsample_pad",
     .types = SB_MOVES,
     .whole = {{"channels_before", 0, SB_MAX_ELEMENTS}, {"channels_after", 0, SB_MAX_ELEMENTS}},
     .map = map_subsampled,
     .place = place_pixels},
    /* z = act(scale[c] * x * r + bias[c]) + post_bias[c], r the residual, which may have one
     * channel or one pixel. Of codes A = (q - zero) * (r - r_zero). */
    {.name = "multiply",
     .scale = true,
     .epilogue = true,
     .broadcasts = true,
     .map = map_product,
     .place = sb_place_product},
    /* y[c] = e^x[c] / sum over c of e^x[c], at every pixel. */
    {.name = "softmax", .map = map_same, .place = place_pixels},
/* y = f(x) of float32 numbers, a row for every function; elu takes alpha. */
#define SB_FUNCTION(word, takes_alpha)                                                             \
    {.name = #word,                                                                                \
     .kernel = "unary",                                                                            \
     .function = SB_FUNCTION_##word,                                                               \
     .real = {{takes_alpha ? "alpha" : NULL, -INFINITY, false}},                                   \
     .map = map_same,                                                                              \
     .place = place_elements},
#include "kernels/direct/functions.def"
#undef SB_FUNCTION
    /* f = table[q] of codes, any function of one number; then codes or numbers as in
     * sb_epilogue_spec. */
    {.name = "look_up", .table = true, .map = map_same, .place = place_elements},
    /* y[r][i] = scale[i] * x[r][i] + bias[i], in so many rows of the elements. */
    {.name = "scale_rows",
     .scale = true,
     .epilogue = true,
     .whole = {{"rows", 1, SB_MAX_ELEMENTS}},
     .map = sb_map_rows,
     .place = sb_place_plain},
    /* The same of (x - mean of the row) / sqrt(variance of the row + epsilon). */
    {.name = "normalize_rows",
     .scale = true,
     .epilogue = true,
     .whole = {{"rows", 1, SB_MAX_ELEMENTS}},
     .real = {{"epsilon", -1.0f, false}},
     .map = sb_map_rows,
     .place = sb_place_plain},
    /* y[o][c][i] = e^x[o][c][i] / sum over c of e^x[o][c][i]. */
    {.name = "softmax_rows",
     .whole = {{"outer", 1, SB_MAX_ELEMENTS},
               {"length", 1, SB_MAX_ELEMENTS},
               {"inner", 1, SB_MAX_ELEMENTS}},
     .map = sb_map_blocks,
     .place = sb_place_plain},
    /* y[o][i] = factor * sum over c of x[o][c][i], or the largest or least of them. */
    {.name = "reduce",
     .whole = {{"how (0 sum, 1 largest, 2 least)", 0, 2},
               {"outer", 1, SB_MAX_ELEMENTS},
               {"length", 1, SB_MAX_ELEMENTS},
               {"inner", 1, SB_MAX_ELEMENTS}},
     .real = {{"factor", -INFINITY, false}},
     .map = sb_map_reduced,
     .place = sb_place_plain},
    /* y[b] = x[b] r[b], matrices of m x k and k x n numbers, r the residual. */
    {.name = "matmul",
     .epilogue = true,
     .pairs = true,
     .whole = {{"b", 1, SB_MAX_ELEMENTS},
               {"m", 1, SB_MAX_ELEMENTS},
               {"k", 1, SB_MAX_ELEMENTS},
               {"n", 1, SB_MAX_ELEMENTS}},
     .map = sb_map_matrices,
     .place = sb_place_plain},
    /* y[i0]..[i4] = x[base + i0 s0 + .. + i4 s4]; whole: base, five extents, five steps. */
    {.name = "strided",
     .types = SB_MOVES,
     .indexed = true,
     .whole = {{"base", 0, SB_MAX_ELEMENTS}},
     .map = sb_map_walk,
     .place = sb_place_plain},
    /* y = scale, whatever the input: a number for every element. */
    {.name = "fill", .scale = true, .map = sb_map_given, .place = sb_place_plain},
    /* The channels of the input and of the values of `more`, side by side; of a single value those
     * from `first` on, which are as many as the output has, the `groups` they lie in interleaved:
     * y[c * groups + g] = x[first + g * C / groups + c]. real: none, and codes stay; or of codes a
     * factor for every value, q = rint(min(max((q - zero) * factor, -zero'), top' - zero')) +
     * zero'. */
    {.name = "channels",
     .types = SB_JOINS,
     .whole = {{"first", 0, SB_MAX_ELEMENTS}, {"groups", 1, SB_MAX_ELEMENTS}},
     .map = map_parts,
     .place = sb_place_parts},
    /* Y[c][h][w] = X[c][rows[h]][columns[w]], fill where rows or columns say -1; X and Y are finer
     * images of the values, whose channel c * D * A + i * A + j at (y, x) is channel c at (y * D +
     * i, x * A + j). whole: D, A of the input, of the output, then all rows, then all columns.
     * real: the fill; of codes a code. */
    {.name = "resample",
     .types = SB_MOVES,
     .indexed = true,
     .whole = {{"rows of a block of the input", 1, SB_MAX_WINDOW},
               {"columns of a block of the input", 1, SB_MAX_WINDOW},
               {"rows of a block of the output", 1, SB_MAX_WINDOW},
               {"columns of a block of the output", 1, SB_MAX_WINDOW}},
     .real = {{"fill", -INFINITY, true}},
     .map = sb_map_resampled,
     .place = sb_place_resampled},
    /* y between four pixels of x, as kernels/direct/blend.h says. whole: rows, columns, then their
     * shares, in 2^24ths, of codes in 2048ths. */
    {.name = "blend",
     .types = SB_MOVES,
     .indexed = true,
     .map = sb_map_blended,
     .place = sb_place_resampled},
    /* y[o][n][i] = x[o][places[n]][i]. whole: outer, length, inner, then the places. */
    {.name = "take",
     .types = SB_MOVES,
     .indexed = true,
     .whole = {{"outer", 1, SB_MAX_ELEMENTS},
               {"length", 1, SB_MAX_ELEMENTS},
               {"inner", 1, SB_MAX_ELEMENTS}},
     .map = sb_map_taken,
     .place = sb_place_plain},
    /* q = rint(min(max(x * factor, -zero), top - zero)) + zero, as in sb_epilogue_spec; factor is
     * 1 / scale. */
    {.name = "quantize",
     .stage = "quantize",
     .types = SB_TO_CODES,
     .real = {{"factor", 0.0f, false}},
     .map = map_same,
     .place = place_quantized},
    /* y = (q - zero) * factor; factor is the scale. */
    {.name = "dequantize",
     .stage = "dequantize",
     .types = SB_TO_FLOATS,
     .real = {{"factor", 0.0f, false}},
     .map = map_same,
     .place = place_relay},
};

const sb_direct_op *sb_direct_at(size_t index) {
    return index < sizeof OPS / sizeof *OPS ? &OPS[index] : NULL;
}
