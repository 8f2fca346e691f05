/* Steps on plain values, seen as rows, as blocks of rows or as matrices: what their numbers say of
 * the values' elements. Each checks the spec and fills in step->layer.geometry. */
#ifndef SB_ROWS_H
#define SB_ROWS_H

#include "connect.h"

/* whole: rows. out_channels becomes the length of a row, scale and bias are of that length. */
sb_status sb_map_rows(sb_builder *builder, const sb_direct_spec *spec, sb_step *step);

/* All elements of the output are given, as the scale. */
sb_status sb_map_given(sb_builder *builder, const sb_direct_spec *spec, sb_step *step);

/* whole: base, extents, steps: every element of the output is one of the input. */
sb_status sb_map_walk(sb_builder *builder, const sb_direct_spec *spec, sb_step *step);

/* whole: outer, length, inner, whose product are the elements of both values. */
sb_status sb_map_blocks(sb_builder *builder, const sb_direct_spec *spec, sb_step *step);

/* whole: how, outer, length, inner; the output has outer * inner elements. */
sb_status sb_map_reduced(sb_builder *builder, const sb_direct_spec *spec, sb_step *step);

/* whole: b, m, k, n; the input has b * m * k elements, the residual b * k * n, the output b * m *
 * n.
 */
sb_status sb_map_matrices(sb_builder *builder, const sb_direct_spec *spec, sb_step *step);

#endif
