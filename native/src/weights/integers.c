/* Dense layers on codes: integer weights. */
#include "checked.h"
#include "codes.h"
#include "complain.h"
#include "operands/operands.h"
#include "pack_products.h"

#include <string.h>

#define FORMAT(isa) .lanes = SB_SUM_LANES_##isa, .step = SB_STEP_##isa, .piece = SB_PIECE_##isa
#define ARM_FORMAT(kind)                                                                           \
    .lanes = SB_SUM_LANES_NEON, .step = SB_STEP_NEON, .piece = SB_PIECE_##kind, .centred = true
static const sb_product_format FORMATS[SB_ISA_COUNT] = {
    [SB_ISA_PORTABLE] = {FORMAT(PORTABLE), .wide = true},
    [SB_ISA_AVX2] = {FORMAT(AVX2), .pairs = true},
    [SB_ISA_AVX512VNNI] = {FORMAT(AVX512VNNI)},
    [SB_ISA_NEON] = {ARM_FORMAT(NEON)},
    [SB_ISA_NEON_DOT] = {ARM_FORMAT(NEON_DOT)},
    [SB_ISA_NEON_I8MM] = {ARM_FORMAT(NEON_I8MM)},
};

/* What the kernel reads: integers tap by tap (kernels of one filter), the taps of every channel, or
 * products in blocks of filters. */
typedef enum sb_integer_kind { PLAIN, DEPTHWISE, PRODUCTS } sb_integer_kind;

static sb_integer_kind kind_of(const sb_step *step) {
    const sb_geometry *geometry = &step->layer.geometry;
    if (step->kernel->info.filters == 1)
        return PLAIN;
    return !step->linear && geometry->in_channels == geometry->groups ? DEPTHWISE : PRODUCTS;
}

/* Whether the kernel multiplies codes - SB_CODE_CENTRE. */
static bool centred(const sb_step *step) {
    return kind_of(step) != PLAIN && FORMATS[step->kernel->info.isa].centred;
}

/* [K][C/G][R][S] into conv2d_codes.h's [K][R][S][C/G]. */
static int8_t *pack_plain(const sb_geometry *geometry, const int8_t *weights, sb_memory *memory) {
    const size_t kernel = (size_t)geometry->kernel_height * geometry->kernel_width;
    const size_t channels = (size_t)(geometry->in_channels / geometry->groups);
    const size_t size = channels * kernel, filters = (size_t)geometry->out_channels;
    int8_t *packed = sb_memory_take(memory, filters * size, sizeof *packed);
    for (size_t i = 0; packed && i < filters * size; ++i)
        packed[i / size * size + i % kernel * channels + i % size / kernel] = weights[i];
    return packed;
}

/* [K][1][R][S] into depthwise_codes.h's [K][R * S, rounded up to even]. */
static int8_t *pack_depthwise(const sb_geometry *geometry, const int8_t *weights,
                              sb_memory *memory) {
    const size_t taps = (size_t)geometry->kernel_height * geometry->kernel_width;
    const size_t room = taps + taps % 2, filters = (size_t)geometry->out_channels;
    int8_t *packed = sb_memory_take(memory, filters, room);
    for (size_t k = 0; packed && k < filters; ++k)
        memcpy(packed + k * room, weights + k * taps, taps);
    return packed;
}

static sb_status place(const sb_weight_job *job) {
    if (job->step->linear || kind_of(job->step) != PRODUCTS)
        return sb_place_layer(job->builder, job->step);
    const int32_t zero = job->step->layer.epilogue.requantize.input_zero;
    const int32_t fill = centred(job->step) ? zero ^ SB_CODE_CENTRE : zero;
    return sb_place_bytes(job->builder, (float)fill, job->step);
}

/* One pixel of all channels. */
static sb_view view_of_image(const sb_geometry *geometry) {
    return (sb_view){.lanes = 1,
                     .blocks_y = 1,
                     .blocks_x = 1,
                     .block_height = 1,
                     .block_width = 1,
                     .pitch = geometry->in_channels};
}

static sb_status pack_weights(const sb_weight_job *job) {
    sb_memory *memory = &job->builder->contents.memory;
    sb_layer *layer = &job->step->layer;
    const sb_kernel_info *info = &job->step->kernel->info;
    const int8_t *integers = job->spec->integers.data;
    const sb_product_spec spec = {FORMATS[info->isa], integers, info->filters,
                                  job->builder->contents.values[job->step->input].top};
    switch (kind_of(job->step)) {
    case PLAIN:
        layer->integers = pack_plain(&layer->geometry, integers, memory);
        return layer->integers ? SB_OK : SB_OUT_OF_MEMORY;
    case DEPTHWISE:
        layer->integers = pack_depthwise(&layer->geometry, integers, memory);
        return layer->integers ? SB_OK : SB_OUT_OF_MEMORY;
    default:
        if (job->step->linear)
            layer->input = view_of_image(&layer->geometry);
        return sb_pack_products(layer, &spec, memory, &layer->products);
    }
}

/* What takes the zero point out of a product with codes, raw or centred. */
static sb_status set_sums(const sb_weight_job *job) {
    sb_memory *memory = &job->builder->contents.memory;
    sb_layer *layer = &job->step->layer;
    const size_t filters = (size_t)layer->geometry.out_channels, taps = job->count / filters;
    int32_t *flip = sb_memory_take(memory, filters, sizeof *flip);
    int32_t *shift = sb_memory_take(memory, filters, sizeof *shift);
    const int32_t zero =
        layer->epilogue.requantize.input_zero - (centred(job->step) ? SB_CODE_CENTRE : 0);
    if (!flip || !shift)
        return SB_OUT_OF_MEMORY;
    for (size_t i = 0; i < job->count; ++i)
        shift[i / taps] -= job->spec->integers.data[i] * zero;
    layer->sums = (sb_integer_sums){.flip = flip, .shift = shift};
    return SB_OK;
}

static sb_status pack(const sb_weight_job *job) {
    sb_status status = pack_weights(job);
    if (status == SB_OK)
        status = set_sums(job);
    return status == SB_OK ? SB_OK
                           : sb_complain(job->builder, status, "no memory for packed weights");
}

/* Products: the sums of one block of filters, and for linear layers the bytes of the images. They
 * and depthwise kernels sum their windows themselves. */
static sb_status reserve(const sb_weight_job *job) {
    sb_step *step = job->step;
    const sb_integer_kind kind = kind_of(step);
    const size_t slots = step->linear ? SB_STRIP_IMAGES : SB_STRIP_SLOTS;
    const size_t sums = (size_t)step->kernel->info.filters * slots * sizeof(int32_t);
    size_t bytes = step->linear ? (size_t)step->layer.geometry.in_channels * slots : 0;
    if (kind == PLAIN && step->layer.epilogue.offset)
        return sb_reserve_totals(job->builder, step);
    if (kind != PRODUCTS)
        return SB_OK;
    if (!sb_checked_add(&bytes, sums + SB_MOST_STEP_BYTES + 63))
        return sb_complain(job->builder, SB_OVERFLOW, "step %zu: its scratch does not fit memory",
                           job->builder->contents.step_count);
    step->share_scratch_bytes = bytes / 64 * 64;
    return SB_OK;
}

const sb_weight_family sb_integers_family = {.strategy = SB_STRATEGY_DENSE,
                                             .form = SB_FORM_INTEGERS,
                                             .place = place,
                                             .pack = pack,
                                             .scratch = reserve};
