/* All convolutions of a network by CMSIS-NN's own arm_convolve_wrapper_s8, on the shapes of
 * layers.h: how many instructions. Weights and images are zeros, which it does not look at. */
#include "board.h"

#include "arm_nnfunctions.h"
#include "layers.h"

static int8_t input[MOST_INPUT], weights[MOST_WEIGHTS], output[MOST_OUTPUT];
static int32_t bias[MOST_FILTERS], multipliers[MOST_FILTERS], shifts[MOST_FILTERS];
static int8_t buffer[MOST_BUFFER] __attribute__((aligned(8)));

static int32_t needed;

static int convolve(const layer *layer) {
    const cmsis_nn_dims in = {1, layer->in_height, layer->in_width, layer->in_channels};
    const cmsis_nn_dims filter = {layer->out_channels, layer->kernel_height, layer->kernel_width,
                                  layer->in_channels};
    const cmsis_nn_dims out = {1, layer->out_height, layer->out_width, layer->out_channels};
    const cmsis_nn_dims biases = {1, 1, 1, layer->out_channels};
    const cmsis_nn_per_channel_quant_params quantization = {multipliers, shifts};
    cmsis_nn_conv_params parameters = {0};
    cmsis_nn_context context = {buffer, MOST_BUFFER};
    parameters.input_offset = 128;
    parameters.output_offset = -128;
    parameters.stride.w = layer->stride_width;
    parameters.stride.h = layer->stride_height;
    parameters.padding.w = layer->padding_left;
    parameters.padding.h = layer->padding_top;
    parameters.dilation.w = parameters.dilation.h = 1;
    parameters.activation.min = -128;
    parameters.activation.max = 127;
    const int32_t size = arm_convolve_wrapper_s8_get_buffer_size(&parameters, &in, &filter, &out);
    needed = size > needed ? size : needed;
    if (size > MOST_BUFFER)
        return 1;
    return arm_convolve_wrapper_s8(&context, &parameters, &quantization, &in, input, &filter,
                                   weights, &biases, bias, &out, output) != ARM_CMSIS_NN_SUCCESS;
}

__attribute__((noinline)) static uint32_t run(uint32_t *stack, uint32_t *failed) {
    uint32_t mark = 0, then;
    paint_stack();
    then = clock_now();
    for (uint32_t i = 0; i < sizeof layers / sizeof *layers; ++i)
        *failed += (uint32_t)convolve(&layers[i]);
    then = instructions_since(then);
    *stack = stack_bytes_below(&mark);
    return then;
}

int main(void) {
    uint32_t stack = 0, failed = 0;
    for (uint32_t i = 0; i < MOST_FILTERS; ++i) {
        multipliers[i] = 0x50000000;
        shifts[i] = -7;
    }
    print_number("instructions ", run(&stack, &failed));
    print_number("stack ", stack);
    print_number("memory ", (uint32_t)needed);
    print_number("differ ", failed);
    return failed != 0;
}
