/* The other way to run a network on a microcontroller: weights of a byte, multiplied two by two
 * with SMLAD, in the manner of CMSIS-NN. Images are [height][width][channels] codes; what a window
 * sees becomes a column of 16-bit numbers, two columns meet two filters at a time. */
#ifndef INT8_H
#define INT8_H

#include "sbc.h"

typedef struct int8_image {
    uint16_t channels, height, width;
    uint8_t zero;
} int8_image;

/* weights: [filters][rows][columns][channels], each filter rounded up to four with zeros. */
typedef struct int8_conv {
    int8_image input, output;
    sbc_window window;
    const int8_t *weights;
    sbc_ending ending;
} int8_conv;

void int8_quantize(const int8_image *to, float inverse_scale, uint8_t top, const float *input,
                   uint8_t *output);
void int8_convolve(const int8_conv *layer, const uint8_t *input, const uint8_t *residual,
                   uint8_t *output, int16_t *columns);
void int8_pointwise(const int8_image *image, const sbc_ending *ending, const uint8_t *input,
                    uint8_t *output);
void int8_look_up(uint32_t count, const uint8_t *table, const uint8_t *input, uint8_t *output);
void int8_avg_pool(const int8_image *from, const int8_image *to, const sbc_window *window,
                   const sbc_ending *ending, const uint8_t *input, uint8_t *output);
void int8_subsample(const int8_image *from, const int8_image *to, uint32_t down, uint32_t across,
                    uint32_t before, const uint8_t *input, uint8_t *output);
void int8_global_average(const int8_image *from, const sbc_ending *ending, const uint8_t *input,
                         uint8_t *output);

#endif
