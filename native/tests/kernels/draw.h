/* Random networks around one kernel. */
#ifndef CHECK_DRAW_H
#define CHECK_DRAW_H

#include "network.h"

/* What a value is, before anybody has decided where it lies. */
typedef struct check_shape {
    int32_t channels, height, width;
    sb_type type;
    int32_t zero, top;
} check_shape;

/* A network whose program, built for the row's instruction set, runs the row's kernel. false where
 * nobody knows how: a row that is new. */
bool check_draw(const sb_kernel_info *row, uint64_t seed, check_network *network);

/* ---- parts of networks ---------------------------------------------------------------------- */

/* The zero and top that codes have, or 0 and 0 of floats. */
void check_draw_codes(check_random *random, check_shape *shape);

/* A value that steps may read, with the steps that lay it out; whole_batch: as linear layers of the
 * batch read it. odd: among its numbers are NaN and infinity. */
uint32_t check_draw_operand(check_network *network, const check_shape *shape,
                            const check_layout *layout, bool whole_batch, bool odd);

/* A value that a step may write. */
uint32_t check_draw_target(check_network *network, const check_shape *shape,
                           const check_layout *layout, bool whole_batch);

/* What the program returns of a value that is no output. */
void check_return(check_network *network, uint32_t value);

/* Plain or in lanes, with a halo or without. */
check_layout check_draw_layout(check_network *network, const check_shape *shape);

float *check_draw_floats(check_random *random, size_t count, float least, float most);

/* Bias, activation, residual and what follows, of sizes that suit outputs of this shape. type: of
 * what the step reads. */
void check_draw_epilogue(check_network *network, const check_shape *made, sb_type type,
                         bool whole_batch, bool residual, sb_epilogue_spec *epilogue);

/* ---- whole networks, by family -------------------------------------------------------------- */

void check_draw_conv2d(const sb_kernel_info *row, check_network *network);
void check_draw_linear(const sb_kernel_info *row, check_network *network);

/* Weights of the row's strategy for [K][C/G][R][S]. */
void check_draw_weights(const sb_kernel_info *row, check_network *network, int32_t groups,
                        const int32_t shape[4], sb_weight_spec *weight);

/* A list of shared sums of these digits, [G * K][taps]. */
const sb_sum_list *check_draw_sums(check_random *random, const int8_t *digits, int32_t groups,
                                   int32_t filters, int32_t taps);

/* Steps without weights; op: of kernels.def. false: none of that name. */
bool check_draw_direct(const sb_kernel_info *row, check_network *network);
bool check_draw_rows(const sb_kernel_info *row, check_network *network);

#endif
