/* Fills the halo of a lane-blocked value, and its positions outside the image, after a kernel has
 * written the blocks. Row y, column x of a halo is row y mod block_height, column x mod block_width
 * of another block: the same vector with its lanes moved by whole blocks. */
#ifndef SB_KERNELS_HALO_H
#define SB_KERNELS_HALO_H

#include "../lane/lane_vector.h"
#include "../view.h"

#include <string.h>

#if SB_LANES == 8 && defined(__AVX2__) && !defined(SB_PLAIN_C)
#include <immintrin.h>
#endif

/* Lane l takes lane source[l], or `fill` where that is negative. */
typedef struct sb_lane_moves {
    int32_t source[SB_LANES];
} sb_lane_moves;

static inline int32_t sb_floor_divide(int32_t value, int32_t by) {
    return value >= 0 ? value / by : -((-value + by - 1) / by);
}

static inline sb_lane_moves sb_find_moves(const sb_layer *layer, int32_t y, int32_t x) {
    const sb_view *view = &layer->output;
    const int32_t down = sb_floor_divide(y, view->block_height);
    const int32_t across = sb_floor_divide(x, view->block_width);
    sb_lane_moves moves;
    for (int32_t lane = 0; lane < SB_LANES; ++lane) {
        const int64_t row = sb_view_image_row(view, lane, y);
        const int64_t column = sb_view_image_column(view, lane, x);
        const bool inside = row >= 0 && row < layer->geometry.out_height && column >= 0 &&
                            column < layer->geometry.out_width;
        moves.source[lane] = inside ? lane + down * view->blocks_x + across : -1;
    }
    return moves;
}

static inline void sb_move_lanes(const sb_lane_moves *moves, const float *source, size_t begin,
                                 size_t end, float fill, float *target) {
#if SB_LANES == 8 && defined(__AVX2__) && !defined(SB_PLAIN_C)
    const __m256i index = _mm256_loadu_si256((const __m256i *)(const void *)moves->source);
    const __m256 outside = _mm256_castsi256_ps(index), filling = _mm256_set1_ps(fill);
    for (size_t i = begin * SB_LANES; i < end * SB_LANES; i += SB_LANES)
        _mm256_store_ps(target + i, _mm256_blendv_ps(
                                        _mm256_permutevar8x32_ps(_mm256_load_ps(source + i), index),
                                        filling, outside));
#else
    for (size_t i = begin * SB_LANES; i < end * SB_LANES; i += SB_LANES) {
        float lanes[SB_LANES];
        memcpy(lanes, source + i, sizeof lanes);
        for (int lane = 0; lane < SB_LANES; ++lane)
            target[i + lane] = moves->source[lane] < 0 ? fill : lanes[moves->source[lane]];
    }
#endif
}

/* Whether every lane holds its own pixel of the image at this position. */
static inline bool sb_is_settled(const sb_layer *layer, int32_t y, int32_t x) {
    const sb_view *view = &layer->output;
    return y >= 0 && y < view->block_height && x >= 0 && x < view->block_width &&
           sb_view_image_row(view, SB_LANES - 1, y) < layer->geometry.out_height &&
           sb_view_image_column(view, SB_LANES - 1, x) < layer->geometry.out_width;
}

/* The channels are shared out: what one share fills, no other reads. Halo first: positions of a
 * block that lie outside the image are no halo's source. */
static inline void sb_exchange_halo(const sb_layer *layer, const sb_operands *operands) {
    const sb_view *view = &layer->output;
    size_t begin, end;
    sb_take_share(operands, (size_t)layer->geometry.out_channels, &begin, &end);
    if (begin == end)
        return;
    for (int32_t y = -view->top; y < view->block_height + view->bottom; ++y)
        for (int32_t x = -view->left; x < view->block_width + view->right; ++x) {
            if (sb_is_settled(layer, y, x))
                continue;
            const sb_lane_moves moves = sb_find_moves(layer, y, x);
            const int32_t down = sb_floor_divide(y, view->block_height);
            const int32_t across = sb_floor_divide(x, view->block_width);
            const size_t source =
                sb_view_pixel(view, y - down * view->block_height, x - across * view->block_width);
            sb_move_lanes(&moves, operands->output + source * view->pitch * SB_LANES, begin, end,
                          view->fill,
                          operands->output + sb_view_pixel(view, y, x) * view->pitch * SB_LANES);
        }
}

#endif
