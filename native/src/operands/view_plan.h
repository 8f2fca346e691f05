/* Views of steps: which a step needs, and whether a value has one that suits it. */
#ifndef SB_VIEW_PLAN_H
#define SB_VIEW_PLAN_H

#include "contents.h"

/* Whether a lane-blocked view is well-formed and holds the image. */
bool sb_view_holds(const sb_view *view, const sb_extent *extent);

/* Elements of an image in a view; false where that does not fit memory. */
bool sb_view_elements(const sb_view *view, const sb_extent *extent, size_t *elements);

/* The view for `lanes` lanes with the fewest positions per block, then the fewest in a block one
 * pixel wider on each side, then the fewest columns of blocks; without a halo. */
void sb_view_cut(const sb_extent *extent, int32_t lanes, sb_view *view);

/* The least view whose every block holds all that the windows of the same block of `output` read.
 * pitch and fill are the caller's. false where it does not fit 32 bits. */
bool sb_view_under(const sb_geometry *geometry, const sb_view *output, sb_view *view);

/* The image of bytes (kernels/layout/bytes.h) that a convolution reads: one lane, one block, the
 * padding around it. fill is the caller's. false where offsets in it do not fit 32 bits. */
bool sb_view_of_bytes(const sb_geometry *geometry, sb_view *view);

bool sb_view_same_blocks(const sb_view *a, const sb_view *b);

/* Whether `view` has the blocks of `needed` and at least its halo. */
bool sb_view_covers(const sb_view *view, const sb_view *needed);

bool sb_view_has_halo(const sb_view *view);

/* Vectors of so many bytes from pixel to pixel: a power of two of bytes would put pixels into the
 * same cache sets. */
int32_t sb_view_pitch(int32_t channels, size_t vector_bytes);

#endif
