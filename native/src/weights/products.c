#include "families.h"

#include "checked.h"
#include "complain.h"
#include "operands/operands.h"
#include "pack_products.h"

#include <string.h>

static const sb_product_format FORMATS[SB_ISA_COUNT] = {
    [SB_ISA_PORTABLE] = {SB_SUM_LANES_PORTABLE, true, false},
    [SB_ISA_AVX2] = {SB_SUM_LANES_AVX2, false, true},
    [SB_ISA_AVX512VNNI] = {SB_SUM_LANES_AVX512VNNI, false, false},
};

/* One pixel of all channels. */
static sb_view view_of_image(const sb_geometry *geometry) {
    return (sb_view){.lanes = 1,
                     .blocks_y = 1,
                     .blocks_x = 1,
                     .block_height = 1,
                     .block_width = 1,
                     .pitch = geometry->in_channels};
}

/* The sums of one block of filters, and for linear layers the bytes of the images. */
static sb_status reserve_sums(sb_builder *builder, sb_step *step) {
    const size_t slots = step->batched ? SB_STRIP_IMAGES : SB_STRIP_SLOTS;
    const size_t sums = (size_t)step->kernel->info.filters * slots * sizeof(int32_t);
    size_t bytes = step->batched ? (size_t)step->layer.geometry.in_channels * slots : 0;
    if (!sb_checked_add(&bytes, sums + SB_STEP_BYTES + 63))
        return sb_complain(builder, SB_OVERFLOW, "step %zu: its scratch does not fit memory",
                           builder->contents.step_count);
    if (bytes > step->share_scratch_bytes)
        step->share_scratch_bytes = bytes / 64 * 64;
    return SB_OK;
}

static sb_status pack_depthwise(sb_builder *builder, const sb_codes *integers, sb_step *step) {
    sb_layer *layer = &step->layer;
    const sb_status status = sb_place_layer(builder, "conv2d", step);
    if (status != SB_OK)
        return status;
    layer->integers =
        sb_pack_depthwise(&layer->geometry, integers->data, &builder->contents.memory);
    if (!layer->integers)
        return sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for packed weights");
    return SB_OK;
}

sb_status sb_install_products(sb_builder *builder, const sb_codes *integers, const char *op,
                              sb_step *step) {
    sb_layer *layer = &step->layer;
    const sb_geometry *geometry = &layer->geometry;
    const sb_kernel_info *info = &step->kernel->info;
    const sb_product_spec spec = {FORMATS[info->isa], integers->data, info->filters,
                                  builder->contents.values[step->input].top};
    const bool linear = !strcmp(op, "linear");
    if (!linear && geometry->in_channels == geometry->groups)
        return pack_depthwise(builder, integers, step);
    sb_status status =
        linear ? sb_place_layer(builder, op, step)
               : sb_place_bytes(builder, (float)layer->epilogue.requantize.input_zero, step);
    if (status == SB_OK)
        status = reserve_sums(builder, step);
    if (status != SB_OK)
        return status;
    if (linear)
        layer->input = view_of_image(geometry);
    status = sb_pack_products(layer, &spec, &builder->contents.memory, &layer->products);
    if (status != SB_OK)
        return sb_complain(builder, status, "no memory for packed weights");
    return SB_OK;
}
