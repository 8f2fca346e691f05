/* From codes in any view to an image of bytes, pixel after pixel: the target is a view of one lane
 * and one block, [top + rows + bottom][left + columns + right][pitch], with elements of one byte.
 * geometry.stride: every how many rows and columns are kept. For products of ARM a byte is a code -
 * SB_CODE_CENTRE. */
#ifndef SB_KERNELS_BYTES_H
#define SB_KERNELS_BYTES_H

#include "../lane/lane_vector.h"
#include "../lane/transpose.h"
#include "../view.h"

#include <string.h>

#if defined(__AVX512BW__) && SB_LANES == 32 && !defined(SB_PLAIN_C)
#include <immintrin.h>
typedef __m512i sb_turned;
#define SB_OR(a, b) _mm512_or_si512(a, b)
#define SB_RAISE(a) _mm512_slli_epi16(a, 8)
#define SB_UNPACK_LOW(a, b, bits) _mm512_unpacklo_epi##bits(a, b)
#define SB_UNPACK_HIGH(a, b, bits) _mm512_unpackhi_epi##bits(a, b)
#define SB_QUARTER(a, i) _mm512_extracti32x4_epi32(a, i)
#define SB_NOTHING _mm512_setzero_si512()
#define SB_TURNS 1
#elif defined(__AVX2__) && SB_LANES == 16 && !defined(SB_PLAIN_C)
#include <immintrin.h>
typedef __m256i sb_turned;
#define SB_OR(a, b) _mm256_or_si256(a, b)
#define SB_RAISE(a) _mm256_slli_epi16(a, 8)
#define SB_UNPACK_LOW(a, b, bits) _mm256_unpacklo_epi##bits(a, b)
#define SB_UNPACK_HIGH(a, b, bits) _mm256_unpackhi_epi##bits(a, b)
#define SB_QUARTER(a, i) _mm256_extracti128_si256(a, i)
#define SB_NOTHING _mm256_setzero_si256()
#define SB_TURNS 1
#elif defined(__aarch64__) && SB_LANES == 16
#define SB_CENTRED_BYTES 1
#endif

SB_INLINE uint8_t sb_byte_of(uint32_t code) {
#ifdef SB_CENTRED_BYTES
    return (uint8_t)(code ^ SB_CODE_CENTRE);
#else
    return (uint8_t)code;
#endif
}

/* Up to 16 channels of all lanes of a pixel: 16 bytes to each lane's target, 0 for channels that
 * are not there. source: [count][SB_LANES]. */
#ifdef SB_TURNS
/* Quarter i of eight vectors to lanes 8 i and on. The instruction holds i: a constant as written,
 * which a loop's counter is only where an optimiser unrolls it. */
#define SB_STORE_QUARTERS(vectors, i, targets)                                                     \
    SB_UNROLL                                                                                      \
    for (int lane = 0; lane < 8; ++lane) {                                                         \
        const __m128i bytes = SB_QUARTER((vectors)[lane], i);                                      \
        memcpy((targets)[8 * (i) + lane], &bytes, sizeof bytes);                                   \
    }

/* Pairs of channels become 16-bit elements, and every 8 x 8 of them are transposed: element j of
 * vector i goes to element i of vector j in three rounds of unpacking. */
SB_INLINE void sb_turn_channels(const uint16_t *source, size_t count, uint8_t *const *targets) {
    sb_turned a[8], b[8];
    SB_UNROLL
    for (size_t i = 0; i < 8; ++i) {
        sb_turned low = SB_NOTHING, high = SB_NOTHING;
        if (2 * i < count)
            memcpy(&low, source + 2 * i * SB_LANES, sizeof low);
        if (2 * i + 1 < count)
            memcpy(&high, source + (2 * i + 1) * SB_LANES, sizeof high);
        a[i] = SB_OR(low, SB_RAISE(high));
    }
    SB_UNROLL
    for (int i = 0; i < 4; ++i) {
        b[i] = SB_UNPACK_LOW(a[2 * i], a[2 * i + 1], 16);
        b[i + 4] = SB_UNPACK_HIGH(a[2 * i], a[2 * i + 1], 16);
    }
    SB_UNROLL
    for (int i = 0; i < 4; ++i) {
        a[i] = SB_UNPACK_LOW(b[2 * i], b[2 * i + 1], 32);
        a[i + 4] = SB_UNPACK_HIGH(b[2 * i], b[2 * i + 1], 32);
    }
    /* a[0], a[1]: lanes 0 1 of the first and the last 8 channels; a[4], a[5]: 2 3; a[2], a[3]: 4 5
     */
    SB_UNROLL
    for (int i = 0; i < 4; ++i) {
        const int at = i % 2 * 4 + i / 2 * 2;
        b[2 * i] = SB_UNPACK_LOW(a[at], a[at + 1], 64);
        b[2 * i + 1] = SB_UNPACK_HIGH(a[at], a[at + 1], 64);
    }
    SB_STORE_QUARTERS(b, 0, targets)
    SB_STORE_QUARTERS(b, 1, targets)
#if SB_LANES == 32
    SB_STORE_QUARTERS(b, 2, targets)
    SB_STORE_QUARTERS(b, 3, targets)
#endif
}
#elif defined(SB_CENTRED_BYTES) && !defined(SB_CODES_PLAIN)
/* A row of bytes for every channel becomes one for every lane. */
SB_INLINE void sb_turn_channels(const sb_element *source, size_t count, uint8_t *const *targets) {
    sb_stored rows[16];
    SB_UNROLL
    for (size_t i = 0; i < 16; ++i) {
        rows[i] = SB_FILL(0);
        if (i < count)
            rows[i] = SB_FETCH(source + i * SB_LANES) ^ SB_FILL(SB_CODE_CENTRE);
    }
    sb_transpose(rows);
    SB_UNROLL
    for (int lane = 0; lane < 16; ++lane)
        memcpy(targets[lane], rows + lane, sizeof *rows);
}
#else
SB_INLINE void sb_turn_channels(const sb_code *source, size_t count, uint8_t *const *targets) {
    for (int lane = 0; lane < SB_LANES; ++lane)
        for (size_t c = 0; c < 16; ++c)
            targets[lane][c] = c < count ? sb_byte_of(source[c * SB_LANES + (size_t)lane]) : 0;
}
#endif

/* Where the pixels of a row of every lane go; next[lane] is NULL where the lane's row is not kept.
 * phase: the column modulo the stride. */
typedef struct sb_byte_targets {
    uint8_t *next[SB_LANES];
    int32_t column[SB_LANES], phase[SB_LANES];
} sb_byte_targets;

/* Returns how many pixels, from the first on, all lanes keep. */
static inline int32_t sb_aim_bytes(const sb_layer *layer, int32_t y, uint8_t *output,
                                   sb_byte_targets *targets) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_view *from = &layer->input, *to = &layer->output;
    int32_t common = geometry->stride_width == 1 ? from->block_width : 0;
    for (int32_t lane = 0; lane < SB_LANES; ++lane) {
        const int64_t row = sb_view_image_row(from, lane, y);
        const int64_t column = sb_view_image_column(from, lane, 0);
        const int64_t left = geometry->in_width - column;
        targets->next[lane] = NULL;
        if (row < geometry->in_height && row % geometry->stride_height == 0) {
            const int64_t kept = (column + geometry->stride_width - 1) / geometry->stride_width;
            targets->next[lane] =
                output +
                sb_view_pixel(to, (int32_t)(row / geometry->stride_height), (int32_t)kept) *
                    (size_t)to->pitch;
        }
        targets->column[lane] = (int32_t)column;
        targets->phase[lane] = (int32_t)(column % geometry->stride_width);
        if (!targets->next[lane] || left <= 0)
            common = 0;
        else if (left < common)
            common = (int32_t)left;
    }
    return common;
}

/* A pixel that all lanes keep. over: whether bytes behind its own may be overwritten. */
static inline void sb_turn_pixel(const sb_code *source, size_t channels, size_t pitch, bool over,
                                 sb_byte_targets *targets) {
    const size_t turned = over ? channels : channels / 16 * 16;
    uint8_t *at[SB_LANES];
    memcpy(at, targets->next, sizeof at);
    for (size_t c = 0; c < turned; c += 16) {
        if (channels - c >= 16)
            sb_turn_channels(source + c * SB_LANES, 16, at);
        else
            sb_turn_channels(source + c * SB_LANES, channels - c, at);
        for (int lane = 0; lane < SB_LANES; ++lane)
            at[lane] += 16;
    }
    for (int lane = 0; lane < SB_LANES; ++lane) {
        for (size_t c = turned; c < channels; ++c)
            targets->next[lane][c] = sb_byte_of(source[c * SB_LANES + (size_t)lane]);
        targets->next[lane] += pitch;
    }
}

/* Where the lanes that keep a pixel put it, NULL for the others; all move on. Returns how many. */
static inline int sb_keep_pixel(const sb_layer *layer, sb_byte_targets *targets, uint8_t **kept) {
    const sb_geometry *geometry = &layer->geometry;
    int count = 0;
    for (int lane = 0; lane < SB_LANES; ++lane) {
        const bool here = targets->next[lane] && targets->phase[lane] == 0 &&
                          targets->column[lane] < geometry->in_width;
        kept[lane] = here ? targets->next[lane] : NULL;
        count += here;
        if (here)
            targets->next[lane] += layer->output.pitch;
        ++targets->column[lane];
        if (++targets->phase[lane] == geometry->stride_width)
            targets->phase[lane] = 0;
    }
    return count;
}

/* A pixel that some lanes may keep; the others' bytes go nowhere. */
static inline void sb_turn_some(const sb_layer *layer, const sb_code *source,
                                sb_byte_targets *targets) {
    const size_t channels = (size_t)layer->geometry.in_channels, turned = channels / 16 * 16;
    uint8_t *kept[SB_LANES], *at[SB_LANES], nowhere[16];
    if (!sb_keep_pixel(layer, targets, kept))
        return;
    for (size_t c = 0; c < turned; c += 16) {
        for (int lane = 0; lane < SB_LANES; ++lane)
            at[lane] = kept[lane] ? kept[lane] + c : nowhere;
        sb_turn_channels(source + c * SB_LANES, 16, at);
    }
    for (int lane = 0; lane < SB_LANES; ++lane)
        for (size_t c = turned; kept[lane] && c < channels; ++c)
            kept[lane][c] = sb_byte_of(source[c * SB_LANES + (size_t)lane]);
}

/* Row y of every block of the source, to where its rows lie in the target. */
static inline void sb_turn_row(const sb_layer *layer, const sb_code *input, int32_t y,
                               uint8_t *output) {
    const sb_view *from = &layer->input;
    const size_t pixel = (size_t)from->pitch * SB_LANES;
    const size_t channels = (size_t)layer->geometry.in_channels;
    const sb_code *source = input + sb_view_pixel(from, y, 0) * pixel;
    sb_byte_targets targets;
    const int32_t common = sb_aim_bytes(layer, y, output, &targets);
    /* What a pixel spills over is written by the next ones, but for the last of a lane's row. */
    const int32_t spilling = common - (int32_t)(15 / channels + 1);
    int32_t x = 0;
    for (; x < common; ++x, source += pixel)
        sb_turn_pixel(source, channels, (size_t)layer->output.pitch, x < spilling, &targets);
    for (int lane = 0; lane < SB_LANES; ++lane)
        targets.column[lane] += x;
    for (; x < from->block_width; ++x, source += pixel)
        sb_turn_some(layer, source, &targets);
}

/* A row of three channels, pixel after pixel, as most networks begin. */
static inline void sb_plain_colours(const sb_code *source, size_t plane, size_t width,
                                    uint8_t *target) {
    const sb_code *red = source, *green = source + plane, *blue = source + 2 * plane;
    for (size_t x = 0; x < width; ++x, target += 3) {
        target[0] = sb_byte_of(red[x]);
        target[1] = sb_byte_of(green[x]);
        target[2] = sb_byte_of(blue[x]);
    }
}

/* Row y of a plain image. */
static inline void sb_plain_row(const sb_layer *layer, const sb_code *input, int32_t y,
                                uint8_t *output) {
    const sb_geometry *geometry = &layer->geometry;
    const sb_view *to = &layer->output;
    const size_t width = (size_t)geometry->in_width, plane = width * (size_t)geometry->in_height;
    const size_t pitch = (size_t)to->pitch, step = (size_t)geometry->stride_width;
    if (y % geometry->stride_height)
        return;
    uint8_t *target = output + sb_view_pixel(to, y / geometry->stride_height, 0) * pitch;
    const sb_code *source = input + (size_t)y * width;
    if (geometry->in_channels == 3 && pitch == 3 && step == 1) {
        sb_plain_colours(source, plane, width, target);
        return;
    }
    for (size_t c = 0; c < (size_t)geometry->in_channels; ++c, source += plane)
        for (size_t x = 0, at = c; x < width; x += step, at += pitch)
            target[at] = sb_byte_of(source[x]);
}

/* The border of the target's row y; all of it where y lies above or below the image. */
static inline void sb_fill_row(const sb_view *view, int32_t y, uint8_t *output) {
    const size_t pitch = (size_t)view->pitch;
    uint8_t *row = output + sb_view_pixel(view, y, -view->left) * pitch;
    const int fill = (int)view->fill;
    if (y < 0 || y >= view->block_height) {
        memset(row, fill, pitch * (size_t)sb_view_columns(view));
        return;
    }
    memset(row, fill, pitch * (size_t)view->left);
    memset(row + pitch * (size_t)(view->left + view->block_width), fill,
           pitch * (size_t)view->right);
}

/* Rows of the source's blocks are shared out, and the target's border. */
static inline void sb_layout_bytes(const sb_layer *layer, const sb_operands *operands) {
    const sb_view *to = &layer->output;
    const int32_t rows = layer->input.lanes ? layer->input.block_height : layer->geometry.in_height;
    uint8_t *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, (size_t)rows, &begin, &end);
    for (int32_t y = (int32_t)begin; y < (int32_t)end; ++y) {
        if (layer->input.lanes)
            sb_turn_row(layer, operands->input, y, output);
        else
            sb_plain_row(layer, operands->input, y, output);
    }
    sb_take_share(operands, (size_t)sb_view_rows(to), &begin, &end);
    for (int32_t y = (int32_t)begin; y < (int32_t)end; ++y)
        sb_fill_row(to, y - to->top, output);
}

#endif
