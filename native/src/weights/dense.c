/* Dense layers on float32. */
#include "checked.h"
#include "complain.h"
#include "family.h"
#include "kernels/dense/dense_weights.h"

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

/* values [K][C/G][R][S] as the cut wants them: see dense_weights.h; NULL where there is no memory.
 */
static float *pack_groups(const sb_layer *layer, const sb_dense_cut *cut, const float *values,
                          sb_memory *memory) {
    const size_t filter_size = cut->channels * cut->taps;
    const size_t groups = (size_t)layer->geometry.groups;
    size_t count = cut->group_count;
    if (!sb_checked_multiply(&count, cut->widest) || !sb_checked_multiply(&count, filter_size) ||
        !sb_checked_multiply(&count, groups))
        return NULL;
    const size_t size = sb_dense_size(cut);
    float *packed = sb_memory_take(memory, groups * size, sizeof *packed);
    for (size_t group = 0; packed && group < groups; ++group) {
        const float *weights = values + group * cut->filters * filter_size;
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

static sb_dense_tile_size tile_of(const sb_step *step) {
    const sb_kernel_info *info = &step->kernel->info;
    return (sb_dense_tile_size){info->filters, info->vectors, info->lanes};
}

/* Whether weights become panels of a linear layer. */
static bool has_panels(const sb_step *step) {
    const sb_dense_tile_size tile = tile_of(step);
    return step->linear && sb_linear_has_panels(&tile);
}

/* Other linear layers and depthwise ones read the values as they are. */
static bool reads_values(const sb_step *step) {
    const sb_geometry *geometry = &step->layer.geometry;
    return step->linear ? !has_panels(step) : geometry->in_channels == geometry->groups;
}

/* values [K][C] as panels, see dense_weights.h; NULL where there is no memory. */
static float *pack_panels(const sb_step *step, const float *values, sb_memory *memory) {
    const size_t channels = (size_t)step->layer.geometry.in_channels;
    const size_t filters = (size_t)step->layer.geometry.out_channels;
    const sb_dense_tile_size tile = tile_of(step);
    const size_t width = (size_t)tile.vectors * (size_t)tile.lanes;
    size_t count = sb_divide_up(filters, width) * width;
    if (!sb_checked_multiply(&count, channels))
        return NULL;
    float *packed = sb_memory_take(memory, count, sizeof *packed);
    for (size_t k = 0; packed && k < filters; ++k) {
        float *target = packed + k / width * width * channels + k % width;
        for (size_t c = 0; c < channels; ++c)
            target[c * width] = values[k * channels + c];
    }
    return packed;
}

static sb_dense_cut cut_of(const sb_step *step) {
    const sb_dense_tile_size tile = tile_of(step);
    return sb_cut_dense(&step->layer, &tile);
}

static sb_status pack(const sb_weight_job *job) {
    sb_memory *memory = &job->builder->contents.memory;
    sb_layer *layer = &job->step->layer;
    layer->weights = job->values;
    if (reads_values(job->step))
        return SB_OK;
    if (has_panels(job->step)) {
        layer->weights = pack_panels(job->step, job->values, memory);
    } else {
        const sb_dense_cut cut = cut_of(job->step);
        layer->weights = pack_groups(layer, &cut, job->values, memory);
    }
    if (!layer->weights)
        return sb_complain(job->builder, SB_OUT_OF_MEMORY, "no memory for packed weights");
    return SB_OK;
}

/* What sums of panels wait in, and copies of inputs. */
static size_t panel_scratch(const sb_step *step) {
    const sb_dense_tile_size tile = tile_of(step);
    const size_t channels = (size_t)step->layer.geometry.in_channels;
    size_t count = SB_LINEAR_PANELS * SB_LINEAR_STRIP * (size_t)tile.vectors * (size_t)tile.lanes;
    if (sb_rows_collide(channels))
        count += SB_LINEAR_STRIP * (channels + SB_LINEAR_APART);
    return count * sizeof(float);
}

/* What sums of filters in lanes wait in. */
static sb_status reserve(const sb_weight_job *job) {
    const sb_view *output = &job->step->layer.output;
    if (reads_values(job->step))
        return SB_OK;
    if (has_panels(job->step)) {
        job->step->share_scratch_bytes = panel_scratch(job->step);
        return SB_OK;
    }
    const sb_dense_cut cut = cut_of(job->step);
    if (cut.filters_in_lanes)
        job->step->share_scratch_bytes =
            (size_t)output->block_height * (size_t)output->block_width *
            (size_t)job->step->kernel->info.lanes * cut.widest * sizeof(float);
    return SB_OK;
}

const sb_weight_family sb_dense_family = {
    .strategy = SB_STRATEGY_DENSE, .form = SB_FORM_VALUES, .pack = pack, .scratch = reserve};
