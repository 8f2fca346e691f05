#include "checked.h"
#include "pack.h"

/* One filter group of one chunk: [r][s][c][filters]; absent filters stay zero. */
static float *pack_group(const sb_geometry *geometry, const float *weights, int32_t channels,
                         int32_t present, int32_t filters, float *target) {
    const size_t kernel = (size_t)geometry->kernel_height * geometry->kernel_width;
    const size_t filter_size = (size_t)(geometry->in_channels / geometry->groups) * kernel;
    for (size_t tap = 0; tap < kernel; ++tap)
        for (int32_t c = 0; c < channels; ++c, target += filters)
            for (int32_t f = 0; f < present; ++f)
                target[f] = weights[(size_t)f * filter_size + (size_t)c * kernel + tap];
    return target;
}

float *sb_pack_dense(const sb_geometry *geometry, int32_t filters, const float *weights,
                     sb_memory *memory) {
    const int32_t group_filters = geometry->out_channels / geometry->groups;
    const size_t kernel = (size_t)geometry->kernel_height * geometry->kernel_width;
    const int32_t channels = geometry->in_channels / geometry->groups;
    const size_t filter_size = (size_t)channels * kernel;
    size_t count = (size_t)group_filters + filters - 1;
    count = count / filters * filters;
    if (!sb_checked_multiply(&count, filter_size) ||
        !sb_checked_multiply(&count, (size_t)geometry->groups))
        return NULL;
    float *packed = sb_memory_take(memory, count, sizeof *packed);
    float *target = packed;
    for (int32_t group = 0; packed && group < geometry->groups; ++group)
        for (int32_t k = 0; k < group_filters; k += filters) {
            const size_t filter = (size_t)group * group_filters + k;
            target = pack_group(geometry, weights + filter * filter_size, channels,
                                group_filters - k < filters ? group_filters - k : filters, filters,
                                target);
        }
    return packed;
}
