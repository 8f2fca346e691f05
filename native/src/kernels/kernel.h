/* What every kernel sees: an immutable layer and the operands of one call. C99, no allocation. */
#ifndef SB_KERNELS_KERNEL_H
#define SB_KERNELS_KERNEL_H

#include "code.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Enumerators equal sb_activation's. */
typedef enum sb_act { SB_ACT_NONE = 0, SB_ACT_RELU, SB_ACT_LEAKY_RELU, SB_ACT_CLAMP } sb_act;

/* Functions of one number that a step applies to every element. */
typedef enum sb_function {
#define SB_FUNCTION(name, takes_alpha) SB_FUNCTION_##name,
#include "direct/functions.def"
#undef SB_FUNCTION
    SB_FUNCTION_COUNT
} sb_function;

/* C,H,W -> K,P,Q with a window of R,S (linear: H = W = R = S = P = Q = 1). */
typedef struct sb_geometry {
    int32_t in_channels, in_height, in_width;
    int32_t out_channels, out_height, out_width;
    int32_t kernel_height, kernel_width;
    int32_t stride_height, stride_width;
    int32_t padding_top, padding_left, padding_bottom, padding_right;
    int32_t dilation_height, dilation_width;
    int32_t groups;
} sb_geometry;

/* What kernels for codes know of the values they touch: zero points, the largest code of the
 * output, the factor of the residual. floats: the output holds float32 numbers. */
typedef struct sb_requantize {
    int32_t input_zero, residual_zero, output_zero, output_top;
    float residual_scale;
    bool floats;
} sb_requantize;

/* y = act(scale[k] * acc + offset[k] * total + bias[k] [+ residual]) + post_bias[k].
 * total: sum of the window's inputs. scale and bias are always there, slope whenever the
 * activation needs one; other NULL arrays are absent. weight_sums: where inputs may be centred
 * (operands/centre.h), sums of weights up to every tap of the window, [R][S][K]. For codes:
 * sb_epilogue_spec in signbin.h. */
typedef struct sb_epilogue {
    const float *scale, *offset, *bias, *slope, *post_bias, *weight_sums;
    sb_act activation;
    float low, high;
    sb_requantize requantize;
} sb_epilogue;

/* Where the pixels of one image lie. Counted in elements. lanes 0: plain [C][H][W]. Otherwise
 * lane-blocked: the image is cut into blocks_y x blocks_x = lanes blocks of block_height x
 * block_width pixels, lane l holding block l, in an array [top + block_height + bottom][left +
 * block_width + right][pitch][lanes] with channel c of a pixel at [..][c]. Rows and columns around
 * the block (its halo) repeat the pixels of the neighbouring blocks; every position outside the
 * image holds `fill`. pitch >= C: a few unused vectors keep the pixels of a window out of one
 * another's cache sets. */
typedef struct sb_view {
    int32_t lanes, blocks_y, blocks_x, block_height, block_width;
    int32_t top, bottom, left, right;
    int32_t pitch;
    float fill;
} sb_view;

/* Positions of a block of a bucket walk at most. */
enum { SB_BLOCK_POSITIONS = 32 };

enum { SB_WALK_FILTERS = 8, SB_TERNARY_FILTERS = 5, SB_TERNARY_BUCKETS = 121 };

/* One walk: some inputs of one chunk of channels, for at most 8 filters that use any of them.
 * radix 2: counts[0 .. 2^filters - 1) in Gray-code order; radix 3: (3^filters - 1) / 2 pairs of
 * counts, add then subtract; before them, where zeros are walked, the count of pattern 0. Sums of
 * several walks add up: bit f of `opens` says that no walk before has summed for filter f, bit f
 * of `closes` that none follows. */
typedef struct sb_bucket_group {
    int32_t filter[SB_WALK_FILTERS]; /* counted within the convolution group */
    uint16_t lift[SB_WALK_FILTERS];  /* codes: makes a ternary sum non-negative, modulo 2^16 */
    int32_t filters;
    uint8_t opens, closes;
    size_t counts_begin, offsets_begin;
} sb_bucket_group;

/* Walks as machine code, made when a program is built (jit/). A function does `count` consecutive
 * walks, from groups[first] on, over V windows: y[filter][v] = their sums, the filters of all walks
 * one after the other, at most SB_MACHINE_SUMS vectors. windows: first vectors of the chunk. ahead:
 * the cache lines [ahead, ahead + lines) are fetched on the way, whatever lies there. */
enum { SB_MACHINE_VECTORS = 3, SB_MACHINE_SUMS = 56, SB_LINE_BYTES = 64 };

typedef void (*sb_walk_function)(const void *const *windows, void *y, const void *ahead);

/* rows: of y; row r belongs to filter filters[r], counted within the convolution group. uniform:
 * all of them open, or none; all of them close, or none; and no sum is lifted. */
typedef struct sb_machine_walks {
    sb_walk_function run;
    size_t first, count;
    const int32_t *filters;
    int32_t rows, lines;
    bool uniform, opens, closes;
} sb_machine_walks;

/* functions: those of bundle b in a chunk are functions[starts[j]] to functions[starts[j + 1]], j =
 * (conv group * chunk_count + chunk) * bundles + b. A bundle has the walks of a run of walk groups,
 * the same ones in every chunk. Functions lie in memory in the order in which they run. */
typedef struct sb_generated_walks {
    const sb_machine_walks *functions;
    const size_t *starts;
    int32_t bundles;
} sb_generated_walks;

/* offsets: vectors from the chunk's first one to the input, in bucket order. starts: the walks of
 * walk group i in a chunk are groups[starts[j]] to groups[starts[j + 1]], j = (conv group *
 * chunk_count + chunk) * walk_groups + i. silent: filters without any non-zero code, of conv group
 * g from silent_starts[g]. merges: whether any filter has more than one walk; regrouped: whether
 * filters share walks with others from chunk to chunk, so that only one share may sum for a
 * position. block: positions, rounded up to whole tiles, that each group of filters passes over
 * before the next one does; 0 to SB_BLOCK_POSITIONS. */
typedef struct sb_bucket_weights {
    const sb_bucket_group *groups;
    const size_t *starts, *silent_starts;
    const int32_t *silent;
    const uint16_t *counts, *offsets;
    int32_t walk_groups;
    int32_t radix;              /* 2 or 3 */
    int32_t chunk, chunk_count; /* channels per chunk (the last may be shorter), chunks */
    int32_t block;
    bool merges, zeros, regrouped;
    /* radix 3: which digit changes after step i of a walk over f+1 filters, | 0x80 if upwards */
    uint8_t flips[SB_TERNARY_FILTERS][SB_TERNARY_BUCKETS];
    sb_generated_walks generated; /* for kernels that run machine code */
} sb_bucket_weights;

/* One segment of a list of shared sums: its words, and the vector of the window that the offsets
 * of its inputs count from. */
typedef struct sb_sums_segment {
    size_t words_begin, base;
} sb_sums_segment;

/* sums/sum_list.h describes the words. starts, silent_starts: of each convolution group, one more
 * at the end; silent: filters without any node. slots_bytes: at the start of a share's scratch.
 * merges: whether any filter has parts in several segments. */
typedef struct sb_sums_weights {
    const sb_sums_segment *segments;
    const size_t *starts, *silent_starts;
    const int32_t *silent;
    const uint16_t *words;
    size_t word_count, slots_bytes;
    int32_t slots;
    bool merges;
} sb_sums_weights;

/* Bitmaps of every filter, [filter][tap][word of 64 channels], rows enough for whole groups of
 * filters; minus: NULL where no filter mixes signs. words: per tap. */
typedef struct sb_bit_weights {
    const uint64_t *plus, *minus;
    size_t words;
} sb_bit_weights;

/* Codes: from S, the sum of raw codes that a walk or product makes, to the exact sum
 *   A = (S ^ flip[k]) + (S & twice[k]) - (Tq & twice[k]) + shift[k]
 * with Tq the raw sum of the window. flip: 0, or -1 for filters of code -1 (and 1 of the shift).
 * twice: -1 for binary filters (2 S - Tq), else 0; NULL where the layer has none. shift: minus
 * zero * sum of the filter's codes, minus what `lift` added. plain: flip and shift are 0 and there
 * is no twice, so that A = S; the sign of a filter of code -1 is then its scale's. */
typedef struct sb_integer_sums {
    const int32_t *flip, *twice, *shift;
    bool plain;
} sb_integer_sums;

/* Filters whose products a tile makes together, see dense/products.h. A window is a list of steps
 * of 4 bytes: `paired` of them come first, two by two, and the products of both fit 16 bits
 * together. vectors: of the filters of a step. first_filter counts within the convolution group. */
typedef struct sb_product_block {
    int32_t first_filter, filters, vectors, paired, steps;
    size_t weights_begin, offsets_begin;
} sb_product_block;

/* blocks: [conv group][block_count]. weights: [step][vector], each as the instruction set reads it.
 * offsets: bytes from a window's first pixel to the step. */
typedef struct sb_product_weights {
    const sb_product_block *blocks;
    const int8_t *weights;
    const int32_t *offsets;
    int32_t block_count;
} sb_product_weights;

/* A bit of every weight, see table/table_format.h. signs: 1, or 2 where filters mix -1, 0 and +1.
 * digit_sums: of every filter, where the layer codes the rows of its input itself. flight: cells of
 * a run whose sums of codes fit 16 bits together, whatever the codes. */
typedef struct sb_table_weights {
    const uint8_t *masks;
    const int32_t *digit_sums;
    size_t flight;
    int32_t signs;
} sb_table_weights;

/* Numbers of either kind that a step without weights takes at most; axes of a walk over elements.
 */
enum { SB_NUMBERS = 4, SB_WALK_AXES = 5 };

/* input, residual, output: the views the kernel reads and writes; the residual has the output's
 * blocks. whole, real: what a step without weights takes beside them, as its kernels say; function:
 * what it applies; table: of 256, what each code of the input becomes, codes (sb_code) or float;
 * walk: the extents of an output, then how far each of its axes steps through the input; rows,
 * columns: which row and column of the input each of the output reads, row_shares and
 * column_shares: how much of the one after it. */
typedef struct sb_layer {
    sb_geometry geometry;
    sb_view input, residual, output;
    sb_epilogue epilogue;
    const float *weights;   /* dense, in the order the kernel's family packs them */
    const int8_t *integers; /* dense on codes, likewise */
    sb_product_weights products;
    sb_table_weights tables;
    sb_bucket_weights buckets;
    sb_sums_weights sum_list;
    sb_bit_weights bits;
    sb_integer_sums sums;
    bool whole_image; /* one window, without padding; the output is plain */
    int32_t whole[SB_NUMBERS];
    float real[SB_NUMBERS];
    sb_function function;
    const void *table;
    const int32_t *walk;
    const int32_t *rows, *columns;
    const float *row_shares, *column_shares;
} sb_layer;

/* One image, or for linear layers the whole batch. Elements are float or, for codes, sb_code.
 * totals: sum over the channels of each convolution group for every pixel of the input view,
 * [group][row][column][lane], float or, for codes, int32_t. residual: or NULL. scratch: this
 * share's own. Every share runs the kernel at the same time; a kernel does its part of the work
 * and gives the same bits whatever the number of shares. */
typedef struct sb_operands {
    const void *input, *residual, *totals;
    void *output, *scratch;
    size_t batch;
    size_t share, shares;
} sb_operands;

/* The share's part [begin, end) of `count` pieces of work. */
static inline void sb_take_share(const sb_operands *operands, size_t count, size_t *begin,
                                 size_t *end) {
    *begin = count / operands->shares * operands->share +
             count % operands->shares * operands->share / operands->shares;
    *end = count / operands->shares * (operands->share + 1) +
           count % operands->shares * (operands->share + 1) / operands->shares;
}

/* Shares of a layer per thread, so that a thread that is done can help one that is not, as where
 * one core is slower than another. */
enum { SB_PIECES = 4 };

/* Whether shares divide the groups of filters of a layer, not its tiles of pixels: where tiles are
 * few, and there are groups enough for every thread. */
static inline bool sb_divides_filters(size_t shares, size_t tiles, size_t filter_groups) {
    return tiles * SB_PIECES <= 8 * shares && filter_groups * SB_PIECES >= shares;
}

typedef void (*sb_kernel_function)(const sb_layer *layer, const sb_operands *operands);

/* Tiles of V positions of an output; the last one repeats its last position. */
static inline size_t sb_tiles_of(const sb_view *output, int32_t vectors) {
    const size_t positions = (size_t)output->block_height * (size_t)output->block_width;
    return (positions + (size_t)vectors - 1) / (size_t)vectors;
}

/* Tiles per block of generated walks: as even a part of the share's as fits. */
static inline size_t sb_generated_tiles(size_t tiles, int32_t vectors) {
    const size_t most = (SB_BLOCK_POSITIONS + (size_t)vectors - 1) / (size_t)vectors;
    const size_t blocks = (tiles + most - 1) / most;
    return blocks ? (tiles + blocks - 1) / blocks : 1;
}

/* Tiles of a block; the last block may have fewer. */
static inline size_t sb_block_tiles(const sb_layer *layer, int32_t vectors) {
    const int32_t tiles = (layer->buckets.block + vectors - 1) / vectors;
    return tiles ? (size_t)tiles : 1;
}

#endif
