/* y[b][m][n] = sum over k of x[b][m][k] * r[b][k][n], r the residual. whole: how many b, m, k and n
 * there are. A tile is 4 rows of 2 vectors; the last tile of a row begins where it ends with it:
 *
 *   n = 21, 8 lanes     0..15   5..20      columns 5..15 are computed twice, and are the same twice
 */
#ifndef SB_KERNELS_MATMUL_H
#define SB_KERNELS_MATMUL_H

#include "../kernel.h"
#include "../lane/plain.h"

enum { SB_MATMUL_ROWS = 4, SB_MATMUL_VECTORS = 2 };

/* Rows of x and y, and how far apart the rows of r are. */
typedef struct sb_matmul {
    const float *x[SB_MATMUL_ROWS];
    float *y[SB_MATMUL_ROWS];
    size_t k, n;
} sb_matmul;

static inline void sb_matmul_tile(const sb_matmul *rows, const float *r, size_t column) {
    sb_vector sums[SB_MATMUL_ROWS][SB_MATMUL_VECTORS];
    SB_UNROLL
    for (int m = 0; m < SB_MATMUL_ROWS; ++m)
        for (int v = 0; v < SB_MATMUL_VECTORS; ++v)
            sums[m][v] = SB_BROADCAST(0.0f);
    for (size_t k = 0; k < rows->k; ++k) {
        const float *from = r + k * rows->n + column;
        const sb_vector first = sb_load_any(from), second = sb_load_any(from + SB_LANES);
        SB_UNROLL
        for (int m = 0; m < SB_MATMUL_ROWS; ++m) {
            const sb_vector x = SB_BROADCAST(rows->x[m][k]);
            sums[m][0] = SB_ADD(sums[m][0], SB_MULTIPLY(x, first));
            sums[m][1] = SB_ADD(sums[m][1], SB_MULTIPLY(x, second));
        }
    }
    for (int m = 0; m < SB_MATMUL_ROWS; ++m)
        for (int v = 0; v < SB_MATMUL_VECTORS; ++v)
            sb_store_any(rows->y[m] + column + (size_t)v * SB_LANES, sums[m][v]);
}

/* Rows shorter than a tile. */
static inline void sb_matmul_few(const sb_matmul *rows, const float *r) {
    for (size_t n = 0; n < rows->n; n += SB_LANES) {
        const size_t count = rows->n - n < SB_LANES ? rows->n - n : SB_LANES;
        sb_vector sums[SB_MATMUL_ROWS];
        for (int m = 0; m < SB_MATMUL_ROWS; ++m)
            sums[m] = SB_BROADCAST(0.0f);
        for (size_t k = 0; k < rows->k; ++k) {
            const sb_vector from = sb_load_some(r + k * rows->n + n, count, 0.0f);
            for (int m = 0; m < SB_MATMUL_ROWS; ++m)
                sums[m] = SB_ADD(sums[m], SB_MULTIPLY(SB_BROADCAST(rows->x[m][k]), from));
        }
        for (int m = 0; m < SB_MATMUL_ROWS; ++m)
            sb_store_some(rows->y[m] + n, count, sums[m]);
    }
}

/* Rows behind the last are the last one again. */
static inline sb_matmul sb_matmul_rows(const sb_layer *layer, const float *x, float *y, size_t m) {
    const size_t most = (size_t)layer->whole[1] - 1;
    sb_matmul rows = {.k = (size_t)layer->whole[2], .n = (size_t)layer->whole[3]};
    for (size_t i = 0; i < SB_MATMUL_ROWS; ++i) {
        const size_t row = m + i < most ? m + i : most;
        rows.x[i] = x + row * rows.k;
        rows.y[i] = y + row * rows.n;
    }
    return rows;
}

static inline void sb_direct_matmul(const sb_layer *layer, const sb_operands *operands) {
    enum { TILE = SB_MATMUL_VECTORS * SB_LANES };
    const size_t m = (size_t)layer->whole[1], k = (size_t)layer->whole[2];
    const size_t n = (size_t)layer->whole[3];
    const size_t blocks = (m + SB_MATMUL_ROWS - 1) / SB_MATMUL_ROWS;
    const float *input = operands->input, *residual = operands->residual;
    float *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, (size_t)layer->whole[0] * blocks, &begin, &end);
    for (size_t i = begin; i < end; ++i) {
        const size_t b = i / blocks;
        const float *r = residual + b * k * n;
        const sb_matmul rows = sb_matmul_rows(layer, input + b * m * k, output + b * m * n,
                                              i % blocks * SB_MATMUL_ROWS);
        if (n < TILE)
            sb_matmul_few(&rows, r);
        for (size_t column = 0; n >= TILE && column < n; column += TILE)
            sb_matmul_tile(&rows, r, column + TILE <= n ? column : n - TILE);
    }
}

#endif
