/* signbin: run signed-binary, binary, ternary and float networks on ordinary CPUs.
 *
 * The C ABI. One alphabet for every shape:
 *   N images   C,H,W input channels, height, width   K filters (output channels)
 *   R,S kernel height, width   P,Q output height, width   G convolution groups
 *   F filters walked together   V vectors of output pixels held at once   L lanes of a vector
 * Tensors are row-major NCHW; values of a program are [C][H][W] per image, the batch in front;
 * [N][C] values have H = W = 1. A value holds float32 numbers, or codes q of numbers
 * scale * (q - zero), 0 <= q <= top <= 255; inputs and outputs of a program are float32.
 *
 * Every function that can fail returns sb_status and leaves its outputs untouched on failure. The
 * library never prints, exits or aborts. sb_builder is for one thread at a time; a finished
 * sb_program is immutable, and any number of threads may run it at once.
 */
#ifndef SIGNBIN_H
#define SIGNBIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SB_API __attribute__((visibility("default")))
#else
#define SB_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status ------------------------------------------------------------------------------- */

typedef enum sb_status {
    SB_OK = 0,
    SB_INVALID_ARGUMENT, /* a pointer, shape, count or enumerator that is not allowed */
    SB_UNKNOWN_ISA,      /* a name that is not in sb_isa_choices() */
    SB_UNSUPPORTED_ISA,  /* a known ISA that this CPU lacks */
    SB_UNSUPPORTED,      /* well-formed, but no kernel serves it */
    SB_OVERFLOW,         /* a size does not fit the arithmetic of this machine */
    SB_OUT_OF_MEMORY
} sb_status;

/* Name of a status ("SB_OK", ...); "SB_?" for a number that is none. */
SB_API const char *sb_status_name(sb_status status);
SB_API const char *sb_version(void);

/* ---- instruction sets and kernels --------------------------------------------------------- */

/* Ordered: a program built for one ISA takes, for every step, the last ISA up to it that has a
 * kernel for the step. Those of ARM follow SB_ISA_PORTABLE, as those of x86 do. */
typedef enum sb_isa {
    SB_ISA_SCALAR = 0,
    SB_ISA_PORTABLE = 1,
    SB_ISA_AVX2 = 2,       /* AVX2 and FMA, and an operating system that keeps their registers */
    SB_ISA_AVX512 = 3,     /* AVX-512 F, BW, DQ and VL besides, and their registers and masks */
    SB_ISA_AVX512VNNI = 4, /* and products of bytes (VNNI) */
    SB_ISA_NEON = 5,       /* 64-bit ARM: Advanced SIMD, which all of them have */
    SB_ISA_NEON_DOT = 6,   /* and dot products of bytes (FEAT_DotProd) */
    SB_ISA_NEON_I8MM = 7,  /* and products of matrices of bytes (FEAT_I8MM) */
    SB_ISA_COUNT
} sb_isa;

SB_API const char *sb_isa_name(sb_isa isa);

/* What a value holds: float32 numbers, or codes of 8 bits. */
typedef enum sb_type { SB_TYPE_F32 = 0, SB_TYPE_U8 = 1, SB_TYPE_COUNT } sb_type;

SB_API const char *sb_type_name(sb_type type);

/* Bytes of an element in memory, 0 for a type that is none. A code has two, so that sums of codes
 * need no widening until they leave the walk; on ARM, whose additions widen, it has one. */
SB_API size_t sb_type_bytes(sb_type type);

/* What sb_isa_resolve accepts: "auto, scalar, portable, avx2, avx512, avx512vnni, neon, neon_dot,
 * neon_i8mm". */
SB_API const char *sb_isa_choices(void);

/* "auto" is the last ISA this CPU runs. SB_UNKNOWN_ISA or SB_UNSUPPORTED_ISA otherwise. */
SB_API sb_status sb_isa_resolve(const char *name, sb_isa *isa);

/* Data caches of the first core as the system reports them; 0 where it does not say. */
typedef struct sb_cpu_info {
    size_t l1_bytes, l2_bytes, l3_bytes;
} sb_cpu_info;

SB_API sb_status sb_cpu_get(sb_cpu_info *info);

/* Families of kernels: what a layer's weights are packed for, and kernels without weights. */
typedef enum sb_strategy {
    SB_STRATEGY_DENSE = 0, /* values on float32, integers on codes */
    SB_STRATEGY_BUCKET,    /* codes: bucket walks */
    SB_STRATEGY_SUMS,      /* codes: a list of shared sums */
    SB_STRATEGY_BITSERIAL, /* codes, on codes: bitmaps against bit planes */
    SB_STRATEGY_TABLE,     /* codes: sums of a few inputs looked up; conv2d on codes */
    SB_STRATEGY_DIRECT,    /* no weights */
    SB_STRATEGY_LAYOUT,    /* no weights: from one layout to another */
    SB_STRATEGY_COUNT
} sb_strategy;

/* As in kernels.def ("dense", ...); "?" for a number that is none. */
SB_API const char *sb_strategy_name(sb_strategy strategy);

/* One row of kernels.def, which says what filters (F) and vectors (V) count; 0 where they mean
 * nothing. type: of what the kernel reads. */
typedef struct sb_kernel_info {
    const char *name;
    sb_type type;
    sb_strategy strategy;
    const char *op;
    sb_isa isa;
    bool usable;
    int32_t filters;
    int32_t vectors;
    int32_t lanes;
    int32_t together; /* its walks are machine code made with the program, at most so many of them
                         interleaved in a function; 0: they are not */
} sb_kernel_info;

SB_API size_t sb_kernel_count(void);
SB_API sb_status sb_kernel_get(size_t index, sb_kernel_info *info);

/* Whether this process may run machine code that it has written: x86-64 or 64-bit ARM, and a system
 * that makes a page executable that was writable. Tries it with a page. */
SB_API bool sb_cpu_generates(void);

/* ---- building a program ------------------------------------------------------------------- */

typedef struct sb_builder sb_builder;
typedef struct sb_program sb_program;

/* Larger extents are refused, so that 64-bit products cannot wrap. */
enum {
    SB_MAX_ELEMENTS = 1 << 28, /* of one value, per image */
    SB_MAX_WINDOW = 1 << 16,   /* kernel, stride, padding, dilation */
    SB_MAX_FILTERS = 8,
    SB_MAX_VECTORS = 8,
    SB_MAX_THREADS = 64,
    SB_MAX_PORTS = 256,                 /* inputs of a program, and outputs */
    SB_MAX_MACHINE_CODE_BYTES = 1 << 28 /* generated for one program */
};

#define SB_NO_VALUE UINT32_MAX

/* Where a value lives while the program runs. Steps on images run image by image, so a value of the
 * arena exists for one image at a time; what a linear layer of the whole batch reads or writes
 * exists for all of it: an input, an output, or SB_PLACE_BATCH. */
typedef enum sb_place {
    SB_PLACE_ARENA = 0,
    SB_PLACE_INPUT = 1,
    SB_PLACE_OUTPUT = 2,
    SB_PLACE_BATCH = 3
} sb_place;

/* How the pixels of one image lie. lanes 0: plain [C][H][W]. Otherwise lane-blocked, only for
 * values of the arena, with lanes = sb_isa_lanes of the value's type: the image is cut into
 * blocks_y x blocks_x = lanes blocks of block_height x block_width pixels that cover it; the value
 * is an array [top + block_height + bottom][left + block_width + right][pitch][lanes], lane =
 * block, pitch >= C vectors from pixel to pixel. Positions outside the image hold `fill`. Any
 * layout is correct; a step whose operands do not suit it works on private copies. */
typedef struct sb_layout_spec {
    int32_t lanes, blocks_y, blocks_x, block_height, block_width;
    int32_t top, bottom, left, right;
    int32_t pitch;
    float fill; /* float32: 0 or -infinity; codes: a code */
} sb_layout_spec;

/* [C][H][W] per image. offset_bytes: where the value starts in the arena (a multiple of 64 where
 * it is lane-blocked, else of an element's size). SB_PLACE_BATCH: where it starts for a batch of
 * one, in memory of its own; for a batch of N both the offset and the size grow N-fold. zero, top:
 * of codes, 0 <= zero <= top <= 255, top >= 1; of float32 values both are 0. */
typedef struct sb_value_spec {
    int32_t channels, height, width;
    sb_place place;
    size_t offset_bytes;
    sb_layout_spec layout;
    sb_type type;
    int32_t zero, top;
} sb_value_spec;

typedef struct sb_floats {
    const float *data; /* NULL with count 0: absent */
    size_t count;
} sb_floats;

typedef struct sb_codes {
    const int8_t *data;
    size_t count;
} sb_codes;

typedef enum sb_activation {
    SB_ACTIVATION_NONE = 0,
    SB_ACTIVATION_RELU,       /* x < 0 ? 0 : x */
    SB_ACTIVATION_LEAKY_RELU, /* x > 0 ? x : slope * x; with prelu[k] given, slope = prelu[k] */
    SB_ACTIVATION_CLAMP       /* min(max(x, low), high) */
} sb_activation;

/* y = act(x + bias[k] [+ residual]) + post_bias[k]; NaN propagates through every activation.
 * residual: a value of the output's shape, or SB_NO_VALUE. bias, prelu, post_bias: K or absent.
 *
 * Steps that read codes: with A the exact int32 sum of the step (for a layer sum code * (q - zero)
 * over its window, the code of positions outside the image being zero), T = sum (q - zero) over
 * the window, and every product and sum one float32 operation rounded to nearest even,
 *   f = A * scale[k];  f += bias[k];  f += offset[k] * T;  f += residual_scale * (r - r_zero);
 *   f = act(f);  f += post_bias[k]
 * (terms that are absent are left out). Output float32: y = f. Output codes:
 *   q = rint(min(max(f, -zero), top - zero)) + zero,  max(f, x) = f > x ? f : x, ties to even.
 * So scale, bias and everything behind them are already divided by the scale of the output. */
typedef struct sb_epilogue_spec {
    uint32_t residual;
    sb_floats bias;
    sb_activation activation;
    float slope, low, high;
    sb_floats prelu;
    sb_floats post_bias;
    float residual_scale; /* only where the step reads codes and has a residual */
} sb_epilogue_spec;

/* How codes of weights are read. SB_WALK_DEFAULT is always fastest, the others are for studies. */
typedef enum sb_walk_mode {
    SB_WALK_DEFAULT = 0,
    SB_WALK_ZEROS,     /* sparsity support off: zeros are one more value and walked, too */
    SB_WALK_TWO_GROUPS /* binary weights as an add and a subtract list, without a shared total */
} sb_walk_mode;

/* How a layer with weights runs. filters F 1..8 (1..5 where a filter mixes -1, 0 and +1, and in
 * two groups), vectors V 1..8, chunk >= 1 input channels per chunk; chunk is an upper bound: it
 * shrinks where 16-bit offsets would not reach, and, for the filters concerned, where sums of
 * codes would not fit 16 bits. generated: walks become machine code where the builder generates and
 * there is a kernel for it; else the kernel of most vectors runs. Other strategies than bucket
 * ignore it, but sums its vectors, and sums and bitserial SB_WALK_TWO_GROUPS. */
typedef struct sb_tile_spec {
    int32_t filters, vectors, chunk;
    sb_walk_mode mode;
    bool generated;
} sb_tile_spec;

/* Which filters of a bucket walk sit together: [G][chunks][K/G] permutations of 0 .. K/G - 1, the
 * filters of a convolution group in walking order, for every chunk of the tile (ceil(C/G / chunk)
 * of them); the first of them form the first group of F and so on. A linear layer has the same
 * order in all chunks. */
typedef struct sb_order {
    const int32_t *data;
    size_t count;
} sb_order;

/* A list of shared sums in place of a bucket walk: nodes, each a signed sum of inputs and of
 * nodes before it. Node n sums operands[starts[n] .. starts[n + 1]), at least one; an operand is
 * 2 * index + minus, indices below M = C/G * R * S being inputs of the filter's convolution group
 * in the order [C/G][R][S], the others M + node. roles[n]: the filter whose sum it is (a filter's
 * value is the sum over all its nodes), -1 for a temporary (at least two operands, the first to be
 * added, used by others), -2 for a sum that is dropped. segments[i] .. segments[i + 1]: nodes of a
 * segment; a node uses temporaries of its own segment, and a filter has one node there at most;
 * all filters of a segment belong to one convolution group. What is summed are the digits that
 * sb_tile_spec.mode makes of the codes: of a filter of one sign 0 and 1; of one of -1 and +1
 * whether it is +1, or in two groups the code; of one that mixes -1, 0 and +1 the code. */
typedef struct sb_sum_list {
    const int32_t *starts, *operands, *roles, *segments;
    size_t nodes, operand_count, segment_count;
} sb_sum_list;

/* strategy says which of values, codes (-1, 0, +1) and integers (-63..63) is given, row-major
 * [K][C/G][R][S]; it and no other. With codes and integers: w[k] = scale[k] * codes[k] + offset[k],
 * offset may be absent. */
typedef struct sb_weight_spec {
    sb_strategy strategy;
    sb_floats values;
    sb_codes codes, integers;
    sb_floats scale;
    sb_floats offset;
    sb_tile_spec tile;
    sb_order order;          /* absent: filters are walked in their own order */
    const sb_sum_list *sums; /* of SB_STRATEGY_SUMS; else NULL */
    bool coded_rows;         /* SB_STRATEGY_TABLE on float32: computes on 8-bit codes of its rows */
} sb_weight_spec;

/* Integer weights of at most this size: two products with a code of 8 bits fit 16 bits. */
enum { SB_MAX_INTEGER = 63 };

/* Windows of convolution and pooling, and where they begin and end: beyond the image by the padding
 * above, left, below and right of it. P = (H + top + bottom - dilation (R - 1) - 1) / stride + 1.
 */
typedef struct sb_window_spec {
    int32_t kernel_height, kernel_width;
    int32_t stride_height, stride_width;
    int32_t padding_top, padding_left, padding_bottom, padding_right;
    int32_t dilation_height, dilation_width;
} sb_window_spec;

typedef struct sb_conv2d_spec {
    uint32_t input, output;
    sb_window_spec window;
    int32_t groups;
    sb_weight_spec weight;
    sb_epilogue_spec epilogue;
} sb_conv2d_spec;

/* [N][rows][C] -> [N][rows][K]; weights [K][C]. The elements of a value, in the order [C][H][W],
 * are its rows one behind the other. whole_batch: the layer runs once, after all steps on images;
 * else image by image, in its place among them. */
typedef struct sb_linear_spec {
    uint32_t input, output;
    int32_t rows;
    bool whole_batch;
    sb_weight_spec weight;
    sb_epilogue_spec epilogue;
} sb_linear_spec;

typedef struct sb_numbers {
    const int32_t *data; /* NULL with count 0: absent */
    size_t count;
} sb_numbers;

/* A step without weights. op: one of sb_direct_name(); what each computes, and the whole and real
 * numbers it takes, stands beside its row in src/build/direct_ops.c. window: ignored where it has
 * none. scale: per channel of the output, absent: 1; epilogue: NULL: none; table: a finite number
 * for every code of the input, 0..top; refused where it takes none. Steps that only move elements
 * keep type, zero and top. */
typedef struct sb_direct_spec {
    const char *op;
    uint32_t input, output;
    sb_window_spec window;
    sb_floats scale;
    const sb_epilogue_spec *epilogue;
    sb_numbers whole;
    sb_floats real;
    sb_floats table;
    const uint32_t *more; /* values beside the input, where the operation puts several together */
    size_t more_count;
} sb_direct_spec;

enum { SB_MAX_PARTS = 256 };

/* Names of the operations, from 0; NULL where there are no more. */
SB_API const char *sb_direct_name(size_t index);

/* Lanes of the vectors of an instruction set's kernels for a type, whether or not this machine runs
 * it; 0 for a number that is none. */
SB_API int32_t sb_isa_lanes(sb_isa isa, sb_type type);

/* arena_bytes: of the arena that values of one image at a time live in. batch_bytes: per image, of
 * the values of the whole batch. threads: 1..SB_MAX_THREADS that share the work of one call.
 * generates: whether machine code may be made for layers whose tile asks for it. Where the system
 * refuses memory to run it from, those layers run other kernels, with the same results. */
typedef struct sb_builder_spec {
    sb_isa isa;
    size_t arena_bytes, batch_bytes;
    int32_t threads;
    bool generates;
} sb_builder_spec;

SB_API sb_status sb_builder_create(const sb_builder_spec *spec, sb_builder **builder);
SB_API void sb_builder_free(sb_builder *builder);

/* What the last failing call on this builder complained of; "" if none has. */
SB_API const char *sb_builder_message(const sb_builder *builder);

/* Values are numbered from 0; inputs and outputs of the program besides by themselves, in the order
 * they are added. */
SB_API sb_status sb_builder_add_value(sb_builder *builder, const sb_value_spec *spec,
                                      uint32_t *value);

/* Steps run in the order they are added. A step reads only inputs and values written before,
 * and writes a value nothing has written. Linear layers of the whole batch, and steps that read
 * what one has written, run after all others: they neither read nor write values of the arena.
 * Arrays are copied or packed: the caller keeps his. */
SB_API sb_status sb_builder_add_conv2d(sb_builder *builder, const sb_conv2d_spec *spec);
SB_API sb_status sb_builder_add_linear(sb_builder *builder, const sb_linear_spec *spec);
SB_API sb_status sb_builder_add_direct(sb_builder *builder, const sb_direct_spec *spec);

/* Seals the program. On success the builder is empty and only good for sb_builder_free. */
SB_API sb_status sb_builder_finish(sb_builder *builder, sb_program **program);

#include "signbin_run.h"

#ifdef __cplusplus
}
#endif

#endif
