/* Inputs of a convolution on float32 less their middle.
 *
 * Where weights have an offset, y = a * S(x) + o * T(x), S the sum of the inputs that a filter
 * uses, T that of all: of inputs far from zero under weights whose mean is near it, the two nearly
 * cancel, and what is left has lost digits. With x = x' + m inside the image and zeros around it,
 *   y = a * S(x') + o * T(x') + m * sum of the weights that lie inside the image
 * and no term is much larger than y. That holds for any m, so a sample says what m is, and whether
 * two more passes pay. */
#ifndef SB_CENTRE_H
#define SB_CENTRE_H

#include "kernels/kernel.h"

/* A layer of fewer weights loses little, and is so quick that a sample would show. */
enum { SB_LEAST_CENTRED = 1 << 16 };

/* m of an image in the layer's view, a number of few digits; 0 where nothing is gained, or a number
 * is not finite. */
float sb_middle_of(const sb_layer *layer, const float *input);

/* The share's part of output = input - m, in the layer's view of the input; both may be one. */
void sb_centre_input(const sb_layer *layer, const sb_operands *operands, float middle);

/* The view that sb_centre_output writes: the blocks of the layer's output, without a halo. */
sb_view sb_centred_view(const sb_layer *layer);

/* The share's part of output = m * sum of the weights inside the image [+ residual]. */
void sb_centre_output(const sb_layer *layer, const sb_operands *operands, float middle);

#endif
