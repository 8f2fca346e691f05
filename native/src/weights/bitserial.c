#include "families.h"

#include "checked.h"
#include "codes.h"
#include "complain.h"
#include "kernels/view.h"
#include "operands/operands.h"
#include "step.h"

enum { PLANE_BYTES = 64, CHANNELS_PER_WORD = 64 };

/* Sets bit c of word [tap][c / 64] where the digit of channel c at the tap is `digit`. */
static bool set_bits(const sb_geometry *geometry, const int8_t *digits, int8_t digit, size_t words,
                     uint64_t *bitmap) {
    const size_t kernel = (size_t)geometry->kernel_height * geometry->kernel_width;
    const size_t channels = (size_t)(geometry->in_channels / geometry->groups);
    bool any = false;
    for (size_t c = 0; c < channels; ++c)
        for (size_t tap = 0; tap < kernel; ++tap)
            if (digits[c * kernel + tap] == digit) {
                bitmap[tap * words + c / CHANNELS_PER_WORD] |= UINT64_C(1) << c % CHANNELS_PER_WORD;
                any = true;
            }
    return any;
}

/* Rows for whole groups of filters, the last ones zero. */
static sb_status pack_bits(sb_builder *builder, const sb_code_spec *codes, sb_walk_mode mode,
                           sb_step *step) {
    const sb_geometry *geometry = &step->layer.geometry;
    const size_t kernel = (size_t)geometry->kernel_height * geometry->kernel_width;
    const size_t words = (codes->taps / kernel + CHANNELS_PER_WORD - 1) / CHANNELS_PER_WORD;
    const size_t rows = (size_t)codes->filters + (size_t)step->kernel->info.filters;
    sb_memory temporary = {NULL};
    sb_memory *memory = &builder->contents.memory;
    uint64_t *plus = sb_memory_take(memory, rows * kernel * words, sizeof *plus);
    uint64_t *minus = sb_memory_take(memory, rows * kernel * words, sizeof *minus);
    int8_t *digits = sb_memory_take(&temporary, codes->taps, sizeof *digits);
    int32_t *lift = sb_memory_take(&temporary, (size_t)codes->filters, sizeof *lift);
    bool any = false;
    sb_status status = SB_OUT_OF_MEMORY;
    if (plus && minus && digits && lift) {
        for (int32_t k = 0; k < codes->filters; ++k) {
            const sb_code_spec filter = sb_filter_of(codes, k);
            const size_t row = (size_t)k * kernel * words;
            sb_pack_digits(&filter, sb_radix_of(&filter, mode), digits);
            set_bits(geometry, digits, 1, words, plus + row);
            any |= set_bits(geometry, digits, -1, words, minus + row);
        }
        const size_t bytes = (size_t)codes->filters * kernel * words * sizeof *plus;
        step->layer.bits =
            (sb_bit_weights){plus, any ? minus : NULL, words, any ? 2 * bytes : bytes};
        status = sb_set_filter_factors(builder, codes, mode, lift, step);
    }
    sb_memory_free(&temporary);
    return status == SB_OUT_OF_MEMORY
               ? sb_complain(builder, SB_OUT_OF_MEMORY, "no memory for bitmaps")
               : status;
}

/* Planes of an image, then where its taps lie. */
static sb_status reserve_planes(sb_builder *builder, sb_step *step) {
    const sb_layer *layer = &step->layer;
    const size_t taps =
        (size_t)layer->geometry.kernel_height * (size_t)layer->geometry.kernel_width;
    size_t bytes = layer->bits.words * PLANE_BYTES;
    if (!step->batched && (!sb_checked_multiply(&bytes, (size_t)step->kernel->info.lanes) ||
                           !sb_checked_multiply(&bytes, (size_t)sb_view_rows(&layer->input)) ||
                           !sb_checked_multiply(&bytes, (size_t)sb_view_columns(&layer->input))))
        return sb_complain(builder, SB_OVERFLOW, "the bit planes of a step do not fit memory");
    if (!sb_checked_add(&bytes, taps * sizeof(size_t) + 63))
        return sb_complain(builder, SB_OVERFLOW, "the bit planes of a step do not fit memory");
    step->share_scratch_bytes = bytes / 64 * 64;
    return SB_OK;
}

sb_status sb_install_bits(sb_builder *builder, const sb_weight_spec *spec, const char *op,
                          size_t count, sb_step *step) {
    const sb_type type = builder->contents.values[step->input].type;
    const sb_kernel_query query = {"bitserial", op, builder->isa, type, 0, SB_MAX_VECTORS, false};
    sb_code_spec codes;
    sb_status status = sb_check_mode(builder, spec->tile.mode);
    if (status == SB_OK)
        status = sb_read_codes(builder, spec, count, step, &codes);
    if (status == SB_OK)
        status = sb_find_kernel(builder, &query, step);
    if (status == SB_OK)
        status = sb_place_layer(builder, op, step);
    if (status == SB_OK)
        status = pack_bits(builder, &codes, spec->tile.mode, step);
    if (status == SB_OK && (step->layer.sums.twice || codes.offset))
        status = sb_reserve_totals(builder, op, step);
    return status == SB_OK ? reserve_planes(builder, step) : status;
}
