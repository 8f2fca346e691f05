#include "centre.h"

#include "kernels/view.h"

#include <string.h>

enum { LANES = 16, FILTERS = 64 };
/* Of an image, at most: most images are not centred, and then a few numbers have said so. */
enum { FIRST_PIXELS = 2, FIRST_CHANNELS = 16, PIXELS = 8, CHANNELS = 32 };
/* What a sum loses grows with its inputs' mean / deviation * root of their number. From here on it
 * is some 2^-15 of the largest output, and the layer so large that two passes are little of it. */
static const float LEAST_LOSS = 28.0f;

/* ---- the middle --------------------------------------------------------------------------- */

static bool inside(const sb_layer *layer, int32_t lane, int32_t y, int32_t x) {
    const int64_t row = sb_view_image_row(&layer->input, lane, y);
    const int64_t column = sb_view_image_column(&layer->input, lane, x);
    return row >= 0 && row < layer->geometry.in_height && column >= 0 &&
           column < layer->geometry.in_width;
}

/* Where blocks share the image out evenly, all. */
static size_t lanes_inside(const sb_layer *layer, int32_t y, int32_t x) {
    const sb_view *view = &layer->input;
    const sb_geometry *geometry = &layer->geometry;
    if (view->block_height * view->block_width * view->lanes ==
        geometry->in_height * geometry->in_width)
        return (size_t)view->lanes;
    size_t count = 0;
    for (int32_t lane = 0; lane < layer->input.lanes; ++lane)
        count += inside(layer, lane, y, x);
    return count;
}

/* Sums of some numbers, and of their squares, side by side. */
typedef struct sb_sample {
    float sums[LANES], squares[LANES];
    size_t count;
} sb_sample;

/* A number of eight binary digits within a 128th of x, of its sign. Many inputs may be one number,
 * as the zeros behind a ReLU are: a running sum of one number that fills its digits rounds the same
 * way each time, of one with few it is exact. */
static float few_digits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits &= 0xFFFF0000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float middle_of(const sb_sample *sample, const sb_geometry *geometry, float least) {
    const float taps = (float)(geometry->in_channels / geometry->groups) *
                       (float)geometry->kernel_height * (float)geometry->kernel_width;
    float sum = 0.0f, square = 0.0f;
    for (int i = 0; i < LANES; ++i) {
        sum += sample->sums[i];
        square += sample->squares[i];
    }
    const float count = (float)sample->count, mean = sum / count;
    const float variance = square / count - mean * mean;
    const bool loses = mean * mean * taps > least * least * variance;
    return loses ? few_digits(mean) : 0.0f;
}

static inline void add_numbers(const float *pixel, size_t channels, size_t step, size_t lanes,
                               sb_sample *sample) {
    for (size_t c = 0; c < channels; c += step)
        for (size_t lane = 0; lane < lanes; ++lane) {
            const float number = pixel[c * lanes + lane];
            sample->sums[lane] += number;
            sample->squares[lane] += number * number;
        }
}

/* The same with a number of lanes that the compiler knows, where it is the usual one. */
static void add_pixel(const float *pixel, size_t channels, size_t step, size_t lanes,
                      sb_sample *sample) {
    if (lanes == LANES)
        add_numbers(pixel, channels, step, LANES, sample);
    else if (lanes == LANES / 2)
        add_numbers(pixel, channels, step, LANES / 2, sample);
    else
        add_numbers(pixel, channels, step, lanes, sample);
}

/* Some pixels of every lane, some of their channels; those outside the image are zeros. */
static sb_sample sample_of(const sb_layer *layer, const float *input, size_t most_pixels,
                           size_t most_channels) {
    const sb_view *view = &layer->input;
    const size_t lanes = (size_t)view->lanes, channels = (size_t)layer->geometry.in_channels;
    const size_t pixels = (size_t)view->block_height * (size_t)view->block_width;
    const size_t every = pixels / most_pixels + 1, step = channels / most_channels + 1;
    sb_sample sample = {.count = 0};
    for (size_t i = 0; i < pixels; i += every) {
        const int32_t y = (int32_t)(i / (size_t)view->block_width);
        const int32_t x = (int32_t)(i % (size_t)view->block_width);
        const size_t first = sb_view_pixel(view, y, x) * (size_t)view->pitch * lanes;
        add_pixel(input + first, channels, step, lanes, &sample);
        sample.count += lanes_inside(layer, y, x) * ((channels + step - 1) / step);
    }
    return sample;
}

float sb_middle_of(const sb_layer *layer, const float *input) {
    const sb_sample first = sample_of(layer, input, FIRST_PIXELS, FIRST_CHANNELS);
    if (middle_of(&first, &layer->geometry, LEAST_LOSS / 2.0f) == 0.0f)
        return 0.0f;
    const sb_sample more = sample_of(layer, input, PIXELS, CHANNELS);
    return middle_of(&more, &layer->geometry, LEAST_LOSS);
}

/* ---- the input ---------------------------------------------------------------------------- */

/* numbers: of all channels of a pixel; taken: repeats itself with the lanes. */
static void subtract(const float *source, size_t numbers, const float *taken, float *target) {
    size_t i = 0;
    for (; i + LANES <= numbers; i += LANES)
        for (size_t lane = 0; lane < LANES; ++lane)
            target[i + lane] = source[i + lane] - taken[lane];
    for (size_t lane = 0; i + lane < numbers; ++lane)
        target[i + lane] = source[i + lane] - taken[lane];
}

void sb_centre_input(const sb_layer *layer, const sb_operands *operands, float middle) {
    const sb_view *view = &layer->input;
    const size_t columns = (size_t)sb_view_columns(view), lanes = (size_t)view->lanes;
    const size_t pitch = (size_t)view->pitch * lanes;
    size_t begin, end;
    sb_take_share(operands, (size_t)sb_view_rows(view) * columns, &begin, &end);
    for (size_t pixel = begin; pixel < end; ++pixel) {
        const int32_t y = (int32_t)(pixel / columns) - view->top;
        const int32_t x = (int32_t)(pixel % columns) - view->left;
        float taken[LANES];
        for (int32_t i = 0; i < LANES; ++i)
            taken[i] = inside(layer, i % view->lanes, y, x) ? middle : 0.0f;
        subtract((const float *)operands->input + pixel * pitch,
                 (size_t)layer->geometry.in_channels * lanes, taken,
                 (float *)operands->output + pixel * pitch);
    }
}

/* ---- the output --------------------------------------------------------------------------- */

/* Taps [first, end) of an axis of a window lie inside the image. */
typedef struct sb_taps {
    int32_t first, end;
} sb_taps;

static sb_taps taps_inside(int64_t begin, int32_t taps, int32_t dilation, int32_t extent) {
    sb_taps found = {taps, 0};
    for (int32_t tap = 0; tap < taps; ++tap) {
        const int64_t at = begin + (int64_t)tap * dilation;
        if (at < 0 || at >= extent)
            continue;
        found.first = tap < found.first ? tap : found.first;
        found.end = tap + 1;
    }
    return found;
}

/* The sum of the weights of every filter under some taps, as up to four sums of up to a tap. */
typedef struct sb_rectangle {
    const float *sums[4];
    float factors[4];
    size_t count;
} sb_rectangle;

static sb_rectangle rectangle_of(const sb_layer *layer, sb_taps rows, sb_taps columns,
                                 float middle) {
    const sb_geometry *geometry = &layer->geometry;
    const int32_t ends[2][2] = {{rows.first, rows.end}, {columns.first, columns.end}};
    sb_rectangle made = {.count = 0};
    if (rows.first >= rows.end || columns.first >= columns.end)
        return made;
    for (int down = 0; down < 2; ++down)
        for (int right = 0; right < 2; ++right) {
            const int32_t r = ends[0][down] - 1, s = ends[1][right] - 1;
            if (r < 0 || s < 0)
                continue;
            const size_t tap = (size_t)r * (size_t)geometry->kernel_width + (size_t)s;
            made.sums[made.count] =
                layer->epilogue.weight_sums + tap * (size_t)geometry->out_channels;
            made.factors[made.count++] = down == right ? middle : -middle;
        }
    return made;
}

/* Of filters [first, first + count), side by side. */
static void sum_weights(const sb_rectangle *made, size_t first, size_t count, float *sums) {
    memset(sums, 0, count * sizeof *sums);
    for (size_t i = 0; i < made->count; ++i)
        for (size_t k = 0; k < count; ++k)
            sums[k] += made->factors[i] * made->sums[i][first + k];
}

/* One position: the rectangles of its lanes, of which few differ, and which of them a lane has. */
typedef struct sb_position {
    sb_rectangle made[LANES];
    int32_t which[LANES], count;
} sb_position;

static bool are_same(sb_taps a, sb_taps b) {
    return a.first == b.first && a.end == b.end;
}

static sb_position position_of(const sb_layer *layer, int32_t y, int32_t x, float middle) {
    const sb_geometry *geometry = &layer->geometry;
    sb_taps rows[LANES], columns[LANES];
    sb_position found = {.count = 0};
    for (int32_t lane = 0; lane < layer->output.lanes; ++lane) {
        const int64_t row = sb_view_image_row(&layer->output, lane, y);
        const int64_t column = sb_view_image_column(&layer->output, lane, x);
        const sb_taps down =
            taps_inside(row * geometry->stride_height - geometry->padding_top,
                        geometry->kernel_height, geometry->dilation_height, geometry->in_height);
        const sb_taps right =
            taps_inside(column * geometry->stride_width - geometry->padding_left,
                        geometry->kernel_width, geometry->dilation_width, geometry->in_width);
        int32_t i = 0;
        while (i < found.count && !(are_same(down, rows[i]) && are_same(right, columns[i])))
            ++i;
        found.which[lane] = i;
        if (i < found.count)
            continue;
        rows[i] = down;
        columns[i] = right;
        found.made[found.count++] = rectangle_of(layer, down, right, middle);
    }
    return found;
}

/* All filters and lanes of one position. */
static void put_position(const sb_layer *layer, int32_t y, int32_t x, float middle,
                         float *numbers) {
    const size_t filters = (size_t)layer->geometry.out_channels;
    const size_t lanes = (size_t)layer->output.lanes;
    const sb_position position = position_of(layer, y, x, middle);
    float sums[LANES][FILTERS];
    for (size_t first = 0; first < filters; first += FILTERS) {
        const size_t count = filters - first < FILTERS ? filters - first : FILTERS;
        for (int32_t i = 0; i < position.count; ++i)
            sum_weights(&position.made[i], first, count, sums[i]);
        for (size_t k = 0; k < count; ++k, numbers += lanes)
            for (size_t lane = 0; lane < lanes; ++lane)
                numbers[lane] = sums[position.which[lane]][k];
    }
}

sb_view sb_centred_view(const sb_layer *layer) {
    sb_view view = layer->output;
    view.top = view.bottom = view.left = view.right = 0;
    view.pitch = layer->geometry.out_channels;
    return view;
}

void sb_centre_output(const sb_layer *layer, const sb_operands *operands, float middle) {
    const sb_view view = sb_centred_view(layer), *other = &layer->residual;
    const size_t numbers = (size_t)view.pitch * (size_t)view.lanes;
    size_t begin, end;
    sb_take_share(operands, (size_t)view.block_height * (size_t)view.block_width, &begin, &end);
    for (size_t i = begin; i < end; ++i) {
        const int32_t y = (int32_t)(i / (size_t)view.block_width);
        const int32_t x = (int32_t)(i % (size_t)view.block_width);
        float *target = (float *)operands->output + i * numbers;
        put_position(layer, y, x, middle, target);
        if (!operands->residual)
            continue;
        const float *residual = (const float *)operands->residual + sb_view_pixel(other, y, x) *
                                                                        (size_t)other->pitch *
                                                                        (size_t)other->lanes;
        for (size_t k = 0; k < numbers; ++k)
            target[k] += residual[k];
    }
}
