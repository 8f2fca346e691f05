/* signbin: batch norm of a training step, with what stands around it: a residual that is added, a
 * rectifier.
 *
 *   y = rectify((x - mean) / sqrt(variance + epsilon) * weight + bias [+ residual])
 *
 * Arrays are [pixels][channels], of float32 or bfloat16; statistics are float32, summed in double
 * from differences to the first pixel, so that a mean that is large against the spread costs no
 * digits. Each way passes over its arrays twice, however many operations that stands for. */
#ifndef SIGNBIN_TRAINING_H
#define SIGNBIN_TRAINING_H

#include <signbin.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_team sb_team;

/* threads >= 2, the caller's included. NULL where the system has no more threads or memory. */
sb_team *sb_team_create(size_t threads);
void sb_team_free(sb_team *team);

enum { SB_MAX_NORMALIZED = 1 << 16 }; /* channels */

/* pixels, channels >= 1. bfloat: elements are bfloat16. weight, bias: [channels]. team: NULL for
 * the calling thread alone; results do not depend on it. */
typedef struct sb_normalization {
    sb_isa isa;
    size_t pixels, channels;
    bool bfloat, rectify;
    float epsilon;
    const float *weight, *bias;
    sb_team *team;
} sb_normalization;

/* residual may be NULL. mean, variance (biased): [channels], written. */
SB_API sb_status sb_normalize(const sb_normalization *how, const void *x, const void *residual,
                              void *y, float *mean, float *variance);

/* What sb_normalize was given and gave. */
typedef struct sb_normalized {
    const void *x, *y;
    const float *mean, *variance;
} sb_normalized;

/* Gradients of all that went in, from that of y. residual_gradient: what passes the rectifier; NULL
 * where nobody wants it. weight_gradient, bias_gradient: [channels]. */
SB_API sb_status sb_normalize_backward(const sb_normalization *how, const sb_normalized *forward,
                                       const void *gradient, void *input_gradient,
                                       void *residual_gradient, float *weight_gradient,
                                       float *bias_gradient);

#ifdef __cplusplus
}
#endif

#endif
