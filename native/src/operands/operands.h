/* Which operands a step's kernel uses in place and which as private copies in the step's scratch.
 */
#ifndef SB_OPERANDS_H
#define SB_OPERANDS_H

#include "contents.h"

/* Images in lanes, under windows; kernel and geometry of step->layer are set. fill: what positions
 * outside the image must hold. */
sb_status sb_place_windows(sb_builder *builder, float fill, sb_step *step);

/* The same, but the input is always a private image of bytes, whatever its view. */
sb_status sb_place_bytes(sb_builder *builder, float fill, sb_step *step);

/* Every part of step->parts in the blocks of the output, without windows. */
sb_status sb_place_parts(sb_builder *builder, sb_step *step);

/* Images in lanes, and the residual as their factor: of the same size, of one channel or of one
 * pixel. layer.whole[0]: an sb_factor. */
sb_status sb_place_product(sb_builder *builder, sb_step *step);

/* One window over the whole image. */
sb_status sb_place_whole_image(sb_builder *builder, sb_step *step);

/* Elements in the order [C][H][W]: the values themselves, or private copies. */
sb_status sb_place_plain(sb_builder *builder, sb_step *step);

/* Plain values of the whole batch, as they are: linear layers of it and what follows them. */
sb_status sb_place_batch(sb_builder *builder, sb_step *step);

/* A layer with weights: windows, or where step->linear rows of plain values. */
sb_status sb_place_layer(sb_builder *builder, sb_step *step);

/* Both values as they lie, for a kernel that takes any view to any other. */
void sb_place_relay(sb_builder *builder, sb_step *step);

/* Scratch of every share for a quantization into lanes: rows of the image, with margins, for every
 * row of blocks (kernels/layout/quantize.h). false where it does not fit memory. */
bool sb_reserve_quantize(const sb_layer *layer, sb_step *step);

#endif
