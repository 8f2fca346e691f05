/* Steps whose kernel finds pixels by tables of rows and columns. */
#ifndef SB_RESAMPLE_H
#define SB_RESAMPLE_H

#include "connect.h"

/* Takes the tables behind the numbers of `resample` in direct_ops.c: a row of the finer input for
 * every row of the finer output, then columns alike. */
sb_status sb_map_resampled(sb_builder *builder, const sb_direct_spec *spec, sb_step *step);

/* Parts of 1 that the shares of sb_map_blended count, of numbers and of codes. */
enum { SB_SHARES = 1 << 24, SB_CODE_SHARES = 1 << 11 };

/* Takes rows, columns, row shares and column shares: each pixel of the output lies between a row of
 * the input and the one after it, that share of the way from the first. */
sb_status sb_map_blended(sb_builder *builder, const sb_direct_spec *spec, sb_step *step);

/* Takes the places behind outer, length and inner: elements of the axis in the middle. */
sb_status sb_map_taken(sb_builder *builder, const sb_direct_spec *spec, sb_step *step);

/* The kernel takes the input's view to the output's blocks; a halo is filled behind it. */
sb_status sb_place_resampled(sb_builder *builder, sb_step *step);

#endif
