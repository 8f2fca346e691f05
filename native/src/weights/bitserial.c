/* Bitmaps of filters against planes of bits of the inputs. */
#include "checked.h"
#include "codes.h"
#include "complain.h"
#include "kernels/view.h"

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

/* The bits of all filters. */
static void fill_bits(const sb_weight_job *job, size_t words, int8_t *digits, uint64_t *plus,
                      uint64_t *minus, bool *any) {
    const sb_geometry *geometry = &job->step->layer.geometry;
    const size_t kernel = (size_t)geometry->kernel_height * geometry->kernel_width;
    for (int32_t k = 0; k < job->codes.filters; ++k) {
        const sb_code_spec filter = sb_filter_of(&job->codes, k);
        const size_t row = (size_t)k * kernel * words;
        sb_pack_digits(&filter, sb_radix_of(&filter, job->spec->tile.mode), digits);
        set_bits(geometry, digits, 1, words, plus + row);
        *any |= set_bits(geometry, digits, -1, words, minus + row);
    }
}

/* Rows for whole groups of filters, the last ones zero. */
static sb_status pack(const sb_weight_job *job) {
    const sb_geometry *geometry = &job->step->layer.geometry;
    const size_t kernel = (size_t)geometry->kernel_height * geometry->kernel_width;
    const size_t words = (job->codes.taps / kernel + CHANNELS_PER_WORD - 1) / CHANNELS_PER_WORD;
    const size_t filters = (size_t)job->codes.filters, row = kernel * words;
    const size_t rows = filters + (size_t)job->step->kernel->info.filters;
    sb_memory temporary = {NULL};
    sb_memory *memory = &job->builder->contents.memory;
    uint64_t *plus = sb_memory_take(memory, rows * row, sizeof *plus);
    uint64_t *minus = sb_memory_take(memory, rows * row, sizeof *minus);
    int8_t *digits = sb_memory_take(&temporary, job->codes.taps, sizeof *digits);
    int32_t *lift = sb_memory_take(&temporary, filters, sizeof *lift);
    bool any = false;
    sb_status status = SB_OUT_OF_MEMORY;
    if (plus && minus && digits && lift) {
        fill_bits(job, words, digits, plus, minus, &any);
        job->step->layer.bits = (sb_bit_weights){plus, any ? minus : NULL, words};
        job->step->packed_bytes = filters * row * sizeof *plus * (any ? 2 : 1);
        status = sb_set_filter_factors(job, lift);
    }
    sb_memory_free(&temporary);
    return status == SB_OUT_OF_MEMORY
               ? sb_complain(job->builder, SB_OUT_OF_MEMORY, "no memory for bitmaps")
               : status;
}

/* Planes of an image, then where its taps lie. */
static sb_status reserve(const sb_weight_job *job) {
    const sb_step *step = job->step;
    const sb_layer *layer = &step->layer;
    const size_t taps =
        (size_t)layer->geometry.kernel_height * (size_t)layer->geometry.kernel_width;
    size_t bytes = layer->bits.words * PLANE_BYTES;
    if ((!step->linear && (!sb_checked_multiply(&bytes, (size_t)step->kernel->info.lanes) ||
                           !sb_checked_multiply(&bytes, (size_t)sb_view_rows(&layer->input)) ||
                           !sb_checked_multiply(&bytes, (size_t)sb_view_columns(&layer->input)))) ||
        !sb_checked_add(&bytes, taps * sizeof(size_t) + 63))
        return sb_complain(job->builder, SB_OVERFLOW, "the bit planes of a step do not fit memory");
    job->step->share_scratch_bytes = bytes / 64 * 64;
    return SB_OK;
}

const sb_weight_family sb_bitserial_family = {.strategy = SB_STRATEGY_BITSERIAL,
                                              .form = SB_FORM_CODES,
                                              .check = sb_check_mode,
                                              .pack = pack,
                                              .scratch = reserve};
