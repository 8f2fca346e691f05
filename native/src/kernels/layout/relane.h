/* From one lane-blocked view of an image into another with other blocks. The lanes of one pixel of
 * the target lie in a few pixels of the source: each of those is read as a vector, and its lanes
 * are moved to their places. A source may have a multiple of SB_LANES lanes, as what layers on
 * codes write as float32 has: then a pixel of it is several vectors. */
#ifndef SB_KERNELS_RELANE_H
#define SB_KERNELS_RELANE_H

#include "../lane/permute.h"
#include "../view.h"

/* Along one axis, for every block of the target: which block of the source holds its number i, and
 * where in it; block -1 outside the image. */
typedef struct sb_axis_sources {
    int32_t block[SB_LANES], at[SB_LANES];
} sb_axis_sources;

static inline void sb_find_axis(int32_t i, int32_t target_block, int32_t blocks,
                                int32_t source_block, int32_t extent, sb_axis_sources *sources) {
    for (int32_t b = 0; b < blocks; ++b) {
        const int64_t in_image = (int64_t)b * target_block + i;
        const bool inside = in_image >= 0 && in_image < extent;
        sources->block[b] = inside ? (int32_t)(in_image / source_block) : -1;
        sources->at[b] = inside ? (int32_t)(in_image % source_block) : 0;
    }
}

/* The vectors of the source that hold lanes of one pixel of the target: where their first channel
 * lies. */
typedef struct sb_lane_sources {
    int32_t count;
    size_t vector[SB_LANES];
    sb_lane_moves moves[SB_LANES];
} sb_lane_sources;

static inline void sb_add_source(sb_lane_sources *sources, size_t vector, int32_t lane,
                                 int32_t source_lane) {
    int32_t i = 0;
    while (i < sources->count && sources->vector[i] != vector)
        ++i;
    if (i == sources->count) {
        sources->vector[sources->count++] = vector;
        for (int32_t other = 0; other < SB_LANES; ++other)
            sources->moves[i].source[other] = -1;
    }
    sources->moves[i].source[lane] = source_lane;
}

static inline void sb_find_sources(const sb_layer *layer, const sb_axis_sources *rows,
                                   const sb_axis_sources *columns, sb_lane_sources *sources) {
    const sb_view *input = &layer->input, *output = &layer->output;
    const size_t pixel = (size_t)input->pitch * (size_t)input->lanes;
    sources->count = 0;
    for (int32_t by = 0; by < output->blocks_y; ++by)
        for (int32_t bx = 0; bx < output->blocks_x; ++bx) {
            if (rows->block[by] < 0 || columns->block[bx] < 0)
                continue;
            const int32_t lane = rows->block[by] * input->blocks_x + columns->block[bx];
            const size_t part = (size_t)(lane / SB_LANES * SB_LANES);
            sb_add_source(sources,
                          sb_view_pixel(input, rows->at[by], columns->at[bx]) * pixel + part,
                          by * output->blocks_x + bx, lane % SB_LANES);
        }
}

/* What one pass over the channels of a pixel reads: at most so many vectors. */
enum { SB_PASS_SOURCES = 4 };

/* All channels from `count` pixels of the source, known to the compiler; other lanes keep what the
 * target holds, or in the first pass get fill. */
SB_INLINE void sb_move_pixels(const sb_element *const *source, const sb_lane_moves *moves,
                              int count, const sb_layer *layer, bool first, sb_element *target) {
    const size_t channels = (size_t)layer->geometry.in_channels;
    const size_t step = (size_t)layer->input.lanes;
    const sb_stored fill = SB_FILL((sb_element)layer->output.fill);
    sb_permutation permutations[SB_PASS_SOURCES];
    SB_UNROLL
    for (int i = 0; i < count; ++i)
        permutations[i] = sb_prepare_moves(moves + i);
    for (size_t c = 0; c < channels; ++c) {
        sb_element *const lanes = target + c * SB_LANES;
        sb_stored value = first ? fill : SB_FETCH(lanes);
        SB_UNROLL
        for (int i = 0; i < count; ++i)
            value = sb_take_lanes(permutations[i], SB_FETCH(source[i] + c * step), value);
        SB_PUT(lanes, value);
    }
}

static inline void sb_relane_pixel(const sb_layer *layer, const sb_element *input,
                                   const sb_lane_sources *sources, sb_element *target) {
    int32_t done = 0;
    do {
        const sb_lane_moves *moves = sources->moves + done;
        const sb_element *addresses[SB_PASS_SOURCES] = {NULL};
        int32_t count = 0;
        for (; count < SB_PASS_SOURCES && done + count < sources->count; ++count)
            addresses[count] = input + sources->vector[done + count];
        if (count == 4)
            sb_move_pixels(addresses, moves, 4, layer, done == 0, target);
        else if (count == 3)
            sb_move_pixels(addresses, moves, 3, layer, done == 0, target);
        else if (count == 2)
            sb_move_pixels(addresses, moves, 2, layer, done == 0, target);
        else
            sb_move_pixels(addresses, moves, count, layer, done == 0, target);
        done += SB_PASS_SOURCES;
    } while (done < sources->count);
}

/* The rows of the target are shared out. */
static inline void sb_relane(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_view *from = &layer->input, *to = &layer->output;
    const sb_element *input = operands->input;
    sb_element *output = operands->output;
    sb_axis_sources rows = {{0}, {0}}, columns = {{0}, {0}};
    sb_lane_sources sources;
    size_t begin, end;
    sb_take_share(operands, (size_t)sb_view_rows(to), &begin, &end);
    for (int32_t y = (int32_t)begin - to->top; y < (int32_t)end - to->top; ++y) {
        sb_find_axis(y, to->block_height, to->blocks_y, from->block_height, geometry->in_height,
                     &rows);
        for (int32_t x = -to->left; x < to->block_width + to->right; ++x) {
            sb_find_axis(x, to->block_width, to->blocks_x, from->block_width, geometry->in_width,
                         &columns);
            sb_find_sources(layer, &rows, &columns, &sources);
            sb_relane_pixel(layer, input, &sources,
                            output + sb_view_pixel(to, y, x) * to->pitch * SB_LANES);
        }
    }
}

#endif
