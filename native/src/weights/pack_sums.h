/* Lists of shared sums into words, at load. */
#ifndef SB_PACK_SUMS_H
#define SB_PACK_SUMS_H

#include "kernels/kernel.h"
#include "memory.h"
#include "signbin.h"

/* bound: the most inputs, counted as often as they are summed, that one node of a filter may sum;
 * top: of the input's codes, 0 for float32. lift[k] grows by what is added to the parts of filter
 * k to keep them from being negative. */
typedef struct sb_sums_pack_spec {
    const sb_sum_list *list;
    int32_t bound, top;
    int32_t *lift;
} sb_sums_pack_spec;

/* weights/check_sums.c: whether the list obeys the rules of sb_sum_list; else *reason says which
 * not. */
sb_status sb_check_sum_list(const sb_geometry *geometry, const sb_sum_list *list,
                            sb_memory *temporary, const char **reason);

/* A checked list into words for the layer's input view. SB_UNSUPPORTED, with a reason, where it
 * does not fit 16 bits; SB_OUT_OF_MEMORY. slots_bytes is left to the caller. */
sb_status sb_pack_sum_list(const sb_layer *layer, const sb_sums_pack_spec *spec, sb_memory *memory,
                           sb_sums_weights *weights, const char **reason);

/* The most nodes, and operands, of a list. */
enum { SB_SUMS_MOST = (1 << 28) - 2 };

/* M: inputs that one filter reads. */
static inline int32_t sb_sums_inputs(const sb_geometry *geometry) {
    return geometry->in_channels / geometry->groups * geometry->kernel_height *
           geometry->kernel_width;
}

#endif
