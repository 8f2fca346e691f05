#include "pack_dense.h"

#include "checked.h"

/* A chunk of a filter group, [r][s][c][width]; weights: of its first filter and channel. Filters
 * that do not exist stay zero. */
static void pack_group(const sb_dense_cut *cut, const float *weights, size_t channels,
                       size_t filters, float *target) {
    const size_t filter_size = cut->channels * cut->taps;
    const size_t width = cut->filters_in_lanes ? cut->widest : filters;
    for (size_t tap = 0; tap < cut->taps; ++tap)
        for (size_t c = 0; c < channels; ++c, target += width)
            for (size_t f = 0; f < filters; ++f)
                target[f] = weights[f * filter_size + c * cut->taps + tap];
}

float *sb_pack_dense(const sb_layer *layer, const sb_dense_cut *cut, sb_memory *memory) {
    const size_t filter_size = cut->channels * cut->taps;
    const size_t groups = (size_t)layer->geometry.groups;
    size_t count = cut->group_count;
    if (!sb_checked_multiply(&count, cut->widest) || !sb_checked_multiply(&count, filter_size) ||
        !sb_checked_multiply(&count, groups))
        return NULL;
    const size_t size = sb_dense_size(cut);
    float *packed = sb_memory_take(memory, groups * size, sizeof *packed);
    for (size_t group = 0; packed && group < groups; ++group) {
        const float *weights = layer->weights + group * cut->filters * filter_size;
        for (size_t chunk = 0; chunk < cut->chunk_count; ++chunk)
            for (size_t i = 0; i < cut->group_count; ++i) {
                const size_t first = sb_dense_first_filter(cut, i);
                pack_group(cut, weights + first * filter_size + chunk * cut->chunk * cut->taps,
                           sb_dense_chunk_channels(cut, chunk),
                           sb_dense_first_filter(cut, i + 1) - first,
                           packed + group * size + sb_dense_offset(cut, chunk, i));
            }
    }
    return packed;
}

int8_t *sb_pack_integers(const sb_geometry *geometry, const int8_t *weights, sb_memory *memory) {
    const size_t kernel = (size_t)geometry->kernel_height * geometry->kernel_width;
    const size_t channels = (size_t)(geometry->in_channels / geometry->groups);
    const size_t size = channels * kernel, filters = (size_t)geometry->out_channels;
    int8_t *packed = sb_memory_take(memory, filters * size, sizeof *packed);
    for (size_t i = 0; packed && i < filters * size; ++i)
        packed[i / size * size + i % kernel * channels + i % size / kernel] = weights[i];
    return packed;
}
