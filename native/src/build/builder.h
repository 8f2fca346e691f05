/* A builder as the functions that add steps see it. */
#ifndef SB_BUILDER_H
#define SB_BUILDER_H

#include "contents.h"

/* Appends a step whose kernel, layer and values are complete. */
sb_status sb_append_step(sb_builder *builder, sb_step *step);

#endif
