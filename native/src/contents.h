/* What a program is made of: it grows in a builder and stands still in a program. */
#ifndef SB_CONTENTS_H
#define SB_CONTENTS_H

#include "kernels/kernel.h"
#include "machine_memory.h"
#include "memory.h"
#include "registry.h"
#include "signbin.h"

/* Channels, height and width of an image. */
typedef struct sb_extent {
    int32_t channels, height, width;
} sb_extent;

typedef struct sb_value {
    sb_extent extent;
    sb_type type;
    int32_t zero, top; /* of codes */
    sb_place place;
    size_t port; /* which of the inputs or outputs it is */
    size_t offset_bytes;
    sb_view view;
    size_t elements;   /* per image, plain */
    size_t bytes;      /* per image, in its view */
    bool written;      /* by a step, or an input */
    bool late;         /* by a step that runs on the whole batch */
    bool not_negative; /* NaN aside */
} sb_value;

/* A private copy of a value in scratch, and the kernel that lays it out anew, to or from there. */
typedef struct sb_copy {
    const sb_kernel_row *kernel; /* NULL: none is needed */
    size_t offset_bytes;         /* in the step's scratch */
    sb_layer layer;
} sb_copy;

/* One of several values that a step puts side by side: its kernel runs once for each. */
typedef struct sb_part {
    uint32_t value;
    sb_copy copy;
    sb_layer layer;
} sb_part;

/* Where a step keeps the middle of an input, the input less it, and the residual that goes with it
 * (operands/centre.h); in its scratch. */
typedef struct sb_centred {
    size_t middle_offset_bytes, input_offset_bytes, output_offset_bytes;
} sb_centred;

/* What a step does, stage by stage: copies in, centring, channel totals, its kernel, copy out or
 * halo. */
typedef struct sb_step {
    const sb_kernel_row *kernel;
    const sb_kernel_row
        *generated; /* what runs instead where its machine code can be made; or NULL */
    sb_layer layer;
    uint32_t input, residual, output;
    sb_copy input_copy, residual_copy, output_copy;
    sb_part *parts; /* the first one is the input; NULL: the step reads input and residual */
    size_t part_count;
    bool pairs;       /* the residual is an operand of any shape */
    bool broadcasts;  /* the residual may have one channel, or one pixel */
    bool late;        /* runs after all images */
    bool linear;      /* its kernel takes rows of channels, as many as there are */
    bool whole_batch; /* of all images at once */
    size_t rows;      /* per image, of a linear layer */
    bool fills_halo;
    bool needs_totals;
    size_t totals_offset_bytes;
    sb_centred centred;
    size_t scratch_bytes;       /* copies and totals */
    size_t share_scratch_bytes; /* of every share, behind them */
    size_t packed_bytes;        /* of low-bit weights beside values and factors */
} sb_step;

/* The kernels behind the stages, of the program's instruction set, of one type. */
typedef struct sb_stages {
    const sb_kernel_row *relayout, *halo, *sum_channels;
} sb_stages;

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
    uint32_t inputs[SB_MAX_PORTS], outputs[SB_MAX_PORTS];
    size_t input_count, output_count;
} sb_contents;

enum { SB_MESSAGE_BYTES = 256 };

struct sb_builder {
    sb_isa isa;
    bool generates;
    sb_contents contents;
    char message[SB_MESSAGE_BYTES];
};

void sb_contents_free(sb_contents *contents);

#endif
