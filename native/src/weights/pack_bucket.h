/* Digits into buckets, at load. */
#ifndef SB_PACK_BUCKET_H
#define SB_PACK_BUCKET_H

#include "kernels/kernel.h"
#include "memory.h"
#include "signbin.h"

/* The most channels per chunk, up to `chunk`, whose offsets and counts fit 16 bits; 0: none. */
int32_t sb_pack_chunk(const sb_geometry *geometry, const sb_view *input, int32_t chunk);

/* digits [K][C/G][R][S] into buckets of at most `filters` filters, for the layer's input view.
 * chunk has passed sb_pack_chunk. bound: the most non-zero digits of a filter that one walk may
 * sum; where a chunk has more, the walk is split for the filters it concerns. top: of the input's
 * codes, for `lift`; 0 for float32. zeros: pattern 0 is walked, too. order: NULL, or as sb_order, a
 * row for every order_chunk channels. bytes: of counts and offsets. SB_OUT_OF_MEMORY leaves
 * *weights and *bytes untouched. */
typedef struct sb_pack_spec {
    int32_t filters, radix, chunk, bound, top;
    bool zeros;
    const int32_t *order;
    int32_t order_chunk;
} sb_pack_spec;

sb_status sb_pack_buckets(const sb_layer *layer, const int8_t *digits, const sb_pack_spec *spec,
                          sb_memory *memory, sb_bucket_weights *weights, size_t *bytes);

/* lift[k] += what all walks lift the sum of filter k. */
void sb_pack_lifts(const sb_geometry *geometry, const sb_bucket_weights *weights, int32_t *lift);

#endif
