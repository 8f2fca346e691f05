/* Steps whose kernel runs once for each of several values. */
#ifndef SB_PARTS_H
#define SB_PARTS_H

#include "connect.h"

/* Fills in step->parts, whose channels follow one another in the output, from spec->input and
 * spec->more; step->layer.whole holds the first channel taken and the groups they come in. */
sb_status sb_set_parts(sb_builder *builder, const sb_direct_spec *spec, sb_step *step);

#endif
