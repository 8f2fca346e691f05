#include "signbin_training.h"

#include "run/threads.h"
#include "training/passes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

extern const sb_passes sb_passes_portable[2];
#if (defined(__x86_64__) || defined(__i386__)) && !SB_BYTE_CODES
extern const sb_passes sb_passes_avx2[2], sb_passes_avx512[2];
#endif

/* Every pass is cut into as many pieces, so that sums do not depend on who runs them. */
enum { PIECES = 16 };

static const sb_passes *passes_of(const sb_normalization *how) {
#if (defined(__x86_64__) || defined(__i386__)) && !SB_BYTE_CODES
    if (how->isa == SB_ISA_AVX512 || how->isa == SB_ISA_AVX512VNNI)
        return &sb_passes_avx512[how->bfloat];
    if (how->isa == SB_ISA_AVX2)
        return &sb_passes_avx2[how->bfloat];
#endif
    return &sb_passes_portable[how->bfloat];
}

/* ---- threads ------------------------------------------------------------------------------- */

typedef struct pass_job {
    const sb_pass *pass;
    sb_pass_function run;
    double *sums; /* [PIECES][2][lanes], or NULL */
} pass_job;

/* One who is alone is told of one piece, which is all of them. */
static void run_piece(const void *stage, size_t thread, size_t piece, size_t pieces) {
    (void)thread;
    const pass_job *job = stage;
    const size_t each = PIECES / pieces;
    for (size_t i = piece * each; i < (piece + 1) * each; ++i) {
        const size_t begin = job->pass->rows * i / PIECES;
        const size_t end = job->pass->rows * (i + 1) / PIECES;
        double *sums = job->sums ? job->sums + i * 2 * job->pass->lanes : NULL;
        if (begin < end)
            job->run(job->pass, begin, end, sums);
    }
}

static void share_pass(const void *job, sb_member *member) {
    sb_team_share(member, PIECES, run_piece, job);
}

static void run_pass(sb_team *team, const pass_job *job) {
    sb_member alone = {NULL, 0, 0, 0};
    if (!team || !sb_team_run(team, share_pass, job))
        share_pass(job, &alone);
}

/* ---- what both ways share ------------------------------------------------------------------ */

/* channels: [4][channels]: first, scale, shift, slope; rows: the same along a row. sums: of all
 * pieces; channel_sums: [2][channels], added up. */
typedef struct pass_memory {
    const sb_passes *passes;
    float *channels, *rows;
    double *sums, *channel_sums;
    size_t lanes;
} pass_memory;

static size_t common_divisor(size_t a, size_t b) {
    while (b) {
        const size_t left = a % b;
        a = b;
        b = left;
    }
    return a;
}

static void free_memory(pass_memory *memory) {
    free(memory->channels);
    free(memory->rows);
    free(memory->sums);
    free(memory->channel_sums);
}

static sb_status take_memory(const sb_normalization *how, const sb_passes *passes,
                             pass_memory *memory) {
    memory->passes = passes;
    memory->lanes = how->channels / common_divisor(how->channels, passes->block) * passes->block;
    memory->rows = calloc(4 * memory->lanes, sizeof(float));
    memory->sums = calloc(PIECES * 2 * memory->lanes, sizeof(double));
    memory->channels = calloc(4 * how->channels, sizeof(float));
    memory->channel_sums = calloc(2 * how->channels, sizeof(double));
    if (memory->rows && memory->sums && memory->channels && memory->channel_sums)
        return SB_OK;
    free_memory(memory);
    return SB_OUT_OF_MEMORY;
}

static bool makes_sense(const sb_normalization *how) {
    return how && how->weight && how->bias && how->channels && how->pixels &&
           how->channels <= SB_MAX_NORMALIZED && how->pixels <= SIZE_MAX / (8 * how->channels);
}

static sb_pass pass_over(const sb_normalization *how, const pass_memory *memory) {
    const size_t elements = how->pixels * how->channels, lanes = memory->lanes;
    const float *rows = memory->rows;
    return (sb_pass){.elements = elements,
                     .lanes = lanes,
                     .rows = (elements + lanes - 1) / lanes,
                     .first = rows,
                     .scale = rows + lanes,
                     .shift = rows + 2 * lanes,
                     .slope = rows + 3 * lanes,
                     .rectify = how->rectify};
}

/* Which channel a lane of a row belongs to. */
static size_t channel_of(const sb_normalization *how, const pass_memory *memory, size_t lane) {
    return sb_lane_of(memory->passes, lane) % how->channels;
}

static void repeat(const sb_normalization *how, const pass_memory *memory) {
    for (size_t lane = 0; lane < memory->lanes; ++lane) {
        const size_t c = channel_of(how, memory, lane);
        for (size_t row = 0; row < 4; ++row)
            memory->rows[row * memory->lanes + lane] = memory->channels[row * how->channels + c];
    }
}

static void add_up(const sb_normalization *how, const pass_memory *memory) {
    for (size_t lane = 0; lane < memory->lanes; ++lane) {
        const size_t c = channel_of(how, memory, lane);
        for (size_t row = 0; row < 2 * PIECES; ++row)
            memory->channel_sums[row % 2 * how->channels + c] +=
                memory->sums[row * memory->lanes + lane];
    }
}

/* The first pixel, as floats. */
static void read_first(const sb_normalization *how, const void *x, float *first) {
    for (size_t c = 0; c < how->channels; ++c) {
        if (how->bfloat) {
            const uint32_t bits = (uint32_t)((const uint16_t *)x)[c] << 16;
            memcpy(&first[c], &bits, sizeof bits);
        } else {
            first[c] = ((const float *)x)[c];
        }
    }
}

/* ---- forward and backward ------------------------------------------------------------------ */

sb_status sb_normalize(const sb_normalization *how, const void *x, const void *residual, void *y,
                       float *mean, float *variance) {
    if (!makes_sense(how) || !x || !y || !mean || !variance)
        return SB_INVALID_ARGUMENT;
    const sb_passes *passes = passes_of(how);
    pass_memory memory;
    const sb_status status = take_memory(how, passes, &memory);
    if (status != SB_OK)
        return status;
    const size_t channels = how->channels;
    sb_pass pass = pass_over(how, &memory);
    pass.in[0] = x;
    pass.in[1] = residual;
    pass.out[0] = y;
    read_first(how, x, memory.channels);
    repeat(how, &memory);
    run_pass(how->team, &(pass_job){&pass, passes->statistics, memory.sums});
    add_up(how, &memory);
    const double pixels = (double)how->pixels;
    for (size_t c = 0; c < channels; ++c) {
        const double away = memory.channel_sums[c] / pixels;
        const double spread = memory.channel_sums[channels + c] / pixels - away * away;
        mean[c] = (float)((double)memory.channels[c] + away);
        variance[c] = (float)(spread < 0 ? 0 : spread);
        const float scale = how->weight[c] / sqrtf(variance[c] + how->epsilon);
        memory.channels[channels + c] = scale;
        memory.channels[2 * channels + c] = how->bias[c] - mean[c] * scale;
    }
    repeat(how, &memory);
    run_pass(how->team, &(pass_job){&pass, passes->normalize, NULL});
    free_memory(&memory);
    return SB_OK;
}

sb_status sb_normalize_backward(const sb_normalization *how, const sb_normalized *forward,
                                const void *gradient, void *input_gradient, void *residual_gradient,
                                float *weight_gradient, float *bias_gradient) {
    if (!makes_sense(how) || !forward || !forward->x || !forward->y || !forward->mean ||
        !forward->variance || !gradient || !input_gradient || !weight_gradient || !bias_gradient)
        return SB_INVALID_ARGUMENT;
    const sb_passes *passes = passes_of(how);
    pass_memory memory;
    const sb_status status = take_memory(how, passes, &memory);
    if (status != SB_OK)
        return status;
    const size_t channels = how->channels;
    sb_pass pass = pass_over(how, &memory);
    pass.in[0] = gradient;
    pass.in[1] = forward->x;
    pass.in[2] = forward->y;
    pass.out[0] = input_gradient;
    pass.out[1] = residual_gradient;
    memcpy(memory.channels, forward->mean, channels * sizeof(float));
    repeat(how, &memory);
    run_pass(how->team, &(pass_job){&pass, passes->gradients, memory.sums});
    add_up(how, &memory);
    const double pixels = (double)how->pixels;
    for (size_t c = 0; c < channels; ++c) {
        const double inverse = 1.0 / sqrt((double)forward->variance[c] + (double)how->epsilon);
        const double of_bias = memory.channel_sums[c];
        const double of_weight = memory.channel_sums[channels + c] * inverse;
        const double scale = (double)how->weight[c] * inverse;
        const double slope = -scale * inverse * of_weight / pixels;
        bias_gradient[c] = (float)of_bias;
        weight_gradient[c] = (float)of_weight;
        memory.channels[channels + c] = (float)scale;
        memory.channels[2 * channels + c] =
            (float)(-scale * of_bias / pixels - slope * (double)forward->mean[c]);
        memory.channels[3 * channels + c] = (float)slope;
    }
    repeat(how, &memory);
    run_pass(how->team, &(pass_job){&pass, passes->backward, NULL});
    free_memory(&memory);
    return SB_OK;
}
