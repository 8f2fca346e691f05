/* What every step checks and fills in: its values, its epilogue, its window. */
#ifndef SB_CONNECT_H
#define SB_CONNECT_H

#include "contents.h"

/* Fills in the step's values, its geometry's extents and what its codes mean, after checking that
 * input and residual are written, that output is not, and that none shares memory with output. */
sb_status sb_connect(sb_builder *builder, uint32_t input, uint32_t residual, uint32_t output,
                     sb_step *step);

/* The same of a value that is one of several inputs. */
sb_status sb_check_part(sb_builder *builder, uint32_t part, uint32_t output);

bool sb_same_shape(const sb_value *a, const sb_value *b);

/* What a step computes on codes may be stored as either type, on float32 as float32 alone. */
sb_status sb_check_types(sb_builder *builder, const sb_step *step);

/* Steps that move elements keep what they mean. */
sb_status sb_check_same_codes(sb_builder *builder, const sb_step *step);

/* Copies what a step does to its sums; channels: of the output. */
sb_status sb_set_epilogue(sb_builder *builder, const sb_epilogue_spec *spec, size_t channels,
                          sb_epilogue *epilogue);

/* A window that maps the geometry's input pixels to its output pixels. */
sb_status sb_set_window(sb_builder *builder, const sb_window_spec *window, sb_geometry *geometry);

#endif
