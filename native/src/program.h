/* What a program is made of: build/ and weights/ make it, jit/ makes machine code for it, run/ runs
 * it. */
#ifndef SB_PROGRAM_H
#define SB_PROGRAM_H

#include "kernels/kernel.h"
#include "machine_memory.h"
#include "memory.h"
#include "operands/view_plan.h"
#include "registry.h"
#include "run/threads.h"
#include "signbin.h"
#include "weights/pack.h"

typedef struct sb_value {
    sb_extent extent;
    sb_type type;
    int32_t zero, top; /* of codes */
    sb_place place;
    size_t offset_bytes;
    sb_view view;
    size_t elements;   /* per image, plain */
    size_t bytes;      /* per image, in its view */
    bool written;      /* by a step, or the input */
    bool late;         /* by a step that runs on the whole batch */
    bool not_negative; /* NaN aside */
} sb_value;

/* A private copy of a value in scratch, and the kernel that lays it out anew, to or from there. */
typedef struct sb_copy {
    const sb_kernel_row *kernel; /* NULL: none is needed */
    size_t offset_bytes;         /* in the step's scratch */
    sb_layer layer;
} sb_copy;

/* What a step does, stage by stage: copies in, channel totals, its kernel, copy out or halo. */
typedef struct sb_step {
    const sb_kernel_row *kernel;
    const sb_kernel_row
        *generated; /* what runs instead where its machine code can be made; or NULL */
    sb_layer layer;
    uint32_t input, residual, output;
    sb_copy input_copy, residual_copy, output_copy;
    bool late;    /* runs after all images */
    bool batched; /* its kernel takes the whole batch at once */
    bool fills_halo;
    bool needs_totals;
    size_t totals_offset_bytes;
    size_t scratch_bytes;       /* copies and totals */
    size_t share_scratch_bytes; /* of every share, behind them */
} sb_step;

/* The kernels behind the stages, of the program's instruction set, of one type. */
typedef struct sb_stages {
    const sb_kernel_row *relayout, *halo, *sum_channels;
} sb_stages;

/* The same contents grow in a builder and stand still in a program. */
typedef struct sb_contents {
    sb_memory memory; /* arrays the layers point into */
    sb_value *values;
    sb_step *steps;
    size_t value_count, value_capacity, step_count, step_capacity;
    size_t arena_bytes;   /* of one image */
    size_t batch_bytes;   /* per image of the batch */
    size_t scratch_bytes; /* of the hungriest step, all shares together */
    size_t threads;
    sb_machine_memory machine_memory;
    size_t machine_code_bytes; /* of it in use */
    sb_stages stages[SB_TYPE_COUNT];
    const sb_kernel_row *dequantize;
    uint32_t input, output;
} sb_contents;

enum { SB_MESSAGE_BYTES = 256 };

struct sb_builder {
    sb_isa isa;
    bool generates;
    sb_contents contents;
    char message[SB_MESSAGE_BYTES];
};

struct sb_program {
    sb_contents contents;
    sb_arena_pool *arenas;
    sb_team *team; /* NULL for one thread */
};

void sb_contents_free(sb_contents *contents);

/* Records the message of a failing call and returns its status. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
sb_status sb_complain(sb_builder *builder, sb_status status, const char *format, ...);

/* Appends a step whose kernel, layer and values are complete. */
sb_status sb_append_step(sb_builder *builder, sb_step *step);

/* operands/operands.c: decides which operands the step's kernel uses in place and which as private
 * copies, and reserves scratch; kernel and geometry of step->layer are set. fill: what positions
 * outside the image must hold. bytes: the input is always a private image of bytes. */
sb_status sb_place_windows(sb_builder *builder, float fill, sb_step *step);
sb_status sb_place_bytes(sb_builder *builder, float fill, sb_step *step);
sb_status sb_place_whole_image(sb_builder *builder, sb_step *step);
sb_status sb_place_batch(sb_builder *builder, sb_step *step);
void sb_place_relay(sb_builder *builder, sb_step *step);

/* operands/operands.c: scratch of every share for a quantization into lanes; false where it does
 * not fit memory. */
bool sb_reserve_quantize(const sb_layer *layer, sb_step *step);

/* operands/operands.c: bytes more of the step's scratch, 64-byte aligned. */
sb_status sb_reserve(sb_builder *builder, sb_step *step, size_t bytes, size_t *offset);

/* weights/weights.c: finds the step's kernel, packs its weights and epilogue factors, and places
 * its operands. op is "conv2d" or "linear"; geometry and epilogue of step->layer are set. */
sb_status sb_install_weights(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                             sb_step *step);

/* weights/weights.c: where the operands of a layer with weights lie; its kernel is found. */
sb_status sb_place_layer(sb_builder *builder, const char *op, sb_step *step);

/* weights/bucket.c: kernel, operands and packed codes of a bucket walk; count: of the codes. */
sb_status sb_install_buckets(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                             size_t count, sb_step *step);

/* weights/sums.c: the same for a list of shared sums. */
sb_status sb_install_sums(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                          size_t count, sb_step *step);

/* weights/bitserial.c: the same for bitmaps against bit planes. */
sb_status sb_install_bits(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                          size_t count, sb_step *step);

/* weights/sums.c: as sb_set_factors, where every filter has the digits its own codes ask for
 * (sb_sum_list). lift: what the parts of every filter add up to beside their sums. */
sb_status sb_set_filter_factors(sb_builder *builder, const sb_code_spec *codes, sb_walk_mode mode,
                                const int32_t *lift, sb_step *step);

/* weights/sums.c: filter k alone, and 3 where its digits are its codes, else 2. */
sb_code_spec sb_filter_of(const sb_code_spec *codes, int32_t k);
int32_t sb_radix_of(const sb_code_spec *filter, sb_walk_mode mode);

/* weights/sums.c: SB_INVALID_ARGUMENT for a walk mode that sums of digits do not have. */
sb_status sb_check_mode(sb_builder *builder, sb_walk_mode mode);

/* weights/bucket.c: bytes of a share's scratch: for a linear layer the images of a pass, turned,
 * and the sums of all filters for them; for a convolution on codes, the sums of all filters of
 * blocks of so many positions, 0 where none wait. */
size_t sb_sums_scratch(const sb_step *step, size_t positions);

/* weights/products.c: operands and packed weights of a dense layer on codes, for a kernel that
 * works by products.h or tables; integers have been checked. */
sb_status sb_install_products(sb_builder *builder, const sb_codes *integers, const char *op,
                              sb_step *step);

/* weights/tables.c: kernel, operands and packed codes of a linear layer by tables. */
sb_status sb_install_tables(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                            size_t count, sb_step *step);

/* weights/bucket.c: the codes of a layer's weights, as many as there must be and -1, 0 or +1 each,
 * and copies of their scales and offsets. */
sb_status sb_read_codes(sb_builder *builder, const sb_weight_spec *spec, size_t count,
                        const sb_step *step, sb_code_spec *codes);

/* weights/bucket.c: what turns a kernel's sums into the layer's: factors of float32, or integers
 * and factors. */
sb_status sb_set_factors(sb_builder *builder, const sb_code_spec *codes, int32_t radix,
                         sb_step *step);

/* weights/bucket.c: scratch for the sums of all inputs of every window; linear layers make their
 * own. */
sb_status sb_reserve_totals(sb_builder *builder, const char *op, sb_step *step);

/* weights/weights.c: the registry's kernel for a query, or SB_UNSUPPORTED. */
sb_status sb_find_kernel(sb_builder *builder, const sb_kernel_query *query, sb_step *step);

/* Bytes of an element: a float, or a code in 16 bits. */
static inline size_t sb_type_bytes(sb_type type) {
    return type == SB_TYPE_U8 ? sizeof(uint16_t) : sizeof(float);
}

/* weights/weights.c: `count` times the same number, owned by the builder; NULL without memory. */
float *sb_repeat(sb_builder *builder, size_t count, float value);

/* weights/weights.c: scale and bias of the epilogue where the caller gave none: 1 and 0. */
sb_status sb_complete_epilogue(sb_builder *builder, size_t channels, sb_epilogue *epilogue);

/* weights/weights.c: a copy owned by the builder. *copy stays NULL where floats is absent. `what`
 * names the array in messages; count is what it must hold; NaN and infinity are refused. */
sb_status sb_copy_floats(sb_builder *builder, const sb_floats *floats, size_t count,
                         const char *what, const float **copy);

#endif
