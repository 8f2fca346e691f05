/* Steps whose kernel finds pixels by tables of rows and columns. */
#ifndef SB_RESAMPLE_H
#define SB_RESAMPLE_H

#include "connect.h"

/* Takes the tables behind the numbers of `resample` in direct_ops.c: a row of the finer input for
 * every row of the finer output, then columns alike. */
sb_status sb_map_resampled(sb_builder *builder, const sb_direct_spec *spec, sb_step *step);

/* The kernel takes the input's view to the output's blocks; a halo is filled behind it. */
sb_status sb_place_resampled(sb_builder *builder, sb_step *step);

#endif
