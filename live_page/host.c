/* What the page calls of a network in WebAssembly: where its numbers lie, and two ways to run it.
 * There is no C library: what a compiler may ask for on its own is at the end. */
#include "network.h"

#include <stddef.h>

#define EXPORTED(name) __attribute__((export_name(#name)))

static network_memory memory;
static float input[NETWORK_INPUTS], output[NETWORK_OUTPUTS];
static uint8_t codes[CODE_BYTES];

/* The codes of all images that the network makes, one image behind the other. */
static void append(void *context, uint32_t which, const sbc_image *image, const uint32_t *words) {
    uint8_t **end = context;
    (void)which;
    sbc_flatten(image, words, *end);
    *end += (size_t)image->channels * image->height * image->width;
}

EXPORTED(input) float *input_numbers(void) {
    return input;
}

EXPORTED(output) const float *output_numbers(void) {
    return output;
}

EXPORTED(codes) const uint8_t *image_codes(void) {
    return codes;
}

EXPORTED(run) void run(void) {
    network_run(&memory, input, output);
}

EXPORTED(look) void look(void) {
    uint8_t *end = codes;
    network_run_watched(&memory, input, output, append, &end);
}

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
    for (size_t i = 0; i < count; ++i)
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    return to;
}

void *memset(void *to, int value, size_t count) {
    for (size_t i = 0; i < count; ++i)
        ((uint8_t *)to)[i] = (uint8_t)value;
    return to;
}
