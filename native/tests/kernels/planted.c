#include "planted.h"

#include "call.h"
#include "intercept.h"
#include "operands/view_plan.h"
#include "planted_machine.h"
#include "walks.h"

#include <stdio.h>
#include <string.h>

/* The row that gives way to wrong ones: y = act(scale x + bias), of floats. */
static const char ROW[] = "sb_f32_direct_elementwise_x1__scalar";
static const char WALK_ROW[] = "sb_f32_bucket_conv2d_g8v1__avx2";
static const char ARM_WALK_ROW[] = "sb_u8_bucket_conv2d_g8v1__neon";

static volatile float nothing;

static size_t bytes_of(const sb_view *view, const sb_layer *layer) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_extent extent = {geometry->out_channels, geometry->out_height, geometry->out_width};
    size_t elements = 0;
    (void)sb_view_elements(view, &extent, &elements);
    return elements * sizeof(float);
}

static void read_behind(const sb_layer *layer, const sb_operands *operands) {
    nothing = *(const volatile char *)operands->input + 0.0f;
    nothing = ((const volatile char *)operands->input)[bytes_of(&layer->input, layer)];
}

static void read_before(const sb_layer *layer, const sb_operands *operands) {
    (void)layer;
    nothing = ((const volatile char *)operands->input)[-1];
}

static void write_behind(const sb_layer *layer, const sb_operands *operands) {
    ((volatile char *)operands->output)[bytes_of(&layer->output, layer)] = 1;
}

static void write_before(const sb_layer *layer, const sb_operands *operands) {
    (void)layer;
    ((volatile char *)operands->output)[-1] = 1;
}

static void write_input(const sb_layer *layer, const sb_operands *operands) {
    (void)layer;
    *(volatile float *)(uintptr_t)operands->input = 1.0f;
}

static void write_weights(const sb_layer *layer, const sb_operands *operands) {
    (void)operands;
    *(volatile float *)(uintptr_t)layer->epilogue.scale = 1.0f;
}

static void read_weights_behind(const sb_layer *layer, const sb_operands *operands) {
    (void)operands;
    nothing = ((const volatile float *)layer->epilogue.scale)[layer->geometry.out_channels];
}

/* All of it once more than a number. */
static void write_wrong(const sb_layer *layer, const sb_operands *operands) {
    float *output = operands->output;
    for (size_t i = 0; i < bytes_of(&layer->output, layer) / sizeof *output; ++i)
        output[i] = 12345.5f;
}

static void write_shares(const sb_layer *layer, const sb_operands *operands) {
    (void)layer;
    *(float *)operands->output = (float)operands->shares;
}

static void write_place(const sb_layer *layer, const sb_operands *operands) {
    (void)layer;
    *(float *)operands->output = (float)((uintptr_t)operands->output % 4096);
}

static void never_end(const sb_layer *layer, const sb_operands *operands) {
    (void)layer;
    (void)operands;
    check_limit_seconds(1);
    for (;;)
        nothing = 1.0f;
}

static const struct {
    const char *name;
    sb_kernel_function wrong;
} KERNELS[] = {{"read-behind-input", read_behind},
               {"read-before-input", read_before},
               {"write-behind-output", write_behind},
               {"write-before-output", write_before},
               {"write-input", write_input},
               {"write-weights", write_weights},
               {"read-behind-weights", read_weights_behind},
               {"wrong-value", write_wrong},
               {"share-matters", write_shares},
               {"place-matters", write_place},
               {"never-ends", never_end},
#define CHECK_PLANT(name, symbol) {name, (sb_kernel_function)symbol},
               CHECK_MACHINE_PLANTS
#undef CHECK_PLANT
};
enum { KERNEL_COUNT = sizeof KERNELS / sizeof *KERNELS };

static const struct {
    const char *name;
    const void *bytes;
    size_t count;
} WALKS[] = {{"walk-returns-at-once", CHECK_RETURN, sizeof CHECK_RETURN},
             {"walk-is-no-instruction", CHECK_ILLEGAL, sizeof CHECK_ILLEGAL}};
enum { WALK_COUNT = sizeof WALKS / sizeof *WALKS };

/* The row of generated walks that this CPU runs; NULL where it runs none. */
static const char *row_of_walks(void) {
    static const char *const rows[] = {WALK_ROW, ARM_WALK_ROW};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
        sb_kernel_info row;
        if (sb_kernel_get(check_row_of(rows[i]), &row) == SB_OK && row.usable && sb_cpu_generates())
            return rows[i];
    }
    return NULL;
}

/* Upper halves of vectors are nobody's where there are none. */
static bool can_be_planted(const char *name) {
    return strcmp(name, "upper-half") || check_has_wide_registers();
}

int check_list_plants(void) {
    for (int i = 0; i < KERNEL_COUNT; ++i)
        if (can_be_planted(KERNELS[i].name))
            printf("%s\n", KERNELS[i].name);
    for (int i = 0; row_of_walks() && i < WALK_COUNT; ++i)
        printf("%s\n", WALKS[i].name);
    return 0;
}

bool check_plant_fault(const char *name, check_options *options) {
    for (int i = 0; i < KERNEL_COUNT; ++i)
        if (!strcmp(name, KERNELS[i].name)) {
            check_plant(ROW, KERNELS[i].wrong);
            options->kernel = ROW;
            return true;
        }
    for (int i = 0; i < WALK_COUNT; ++i)
        if (!strcmp(name, WALKS[i].name)) {
            check_plant_in_walks(WALKS[i].bytes, WALKS[i].count);
            options->kernel = row_of_walks();
            return options->kernel;
        }
    return false;
}
