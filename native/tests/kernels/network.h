/* Small networks that a case is made of: the same values and steps for every instruction set, and
 * what they computed. */
#ifndef CHECK_NETWORK_H
#define CHECK_NETWORK_H

#include <signbin.h>

#include "random.h"

enum { CHECK_VALUES = 24, CHECK_STEPS = 20, CHECK_WORDS = 400 };

/* How a value of the arena lies: plain, or in the lanes of the instruction set, with a halo and
 * vectors to spare; under: in the blocks that this step reads, where it has windows, or -1. */
typedef struct check_layout {
    bool in_lanes;
    int32_t top, bottom, left, right, more;
    float fill;
    int under;
} check_layout;

typedef struct check_value {
    sb_value_spec spec; /* its layout and offset depend on the instruction set */
    check_layout layout;
} check_value;

typedef enum check_kind { CHECK_CONV, CHECK_LINEAR, CHECK_DIRECT } check_kind;

typedef struct check_step {
    check_kind kind;
    sb_conv2d_spec conv;
    sb_linear_spec linear;
    sb_direct_spec direct;
    sb_epilogue_spec epilogue; /* of a step without weights that has one */
    bool has_epilogue;
} check_step;

/* words: what it is, for whoever reads of a failure. inputs: of every input value, batch images.
 * exact: the floats of the last step are the scalar kernel's to the bit; else within `tolerance`
 * of the largest of them, and what rounding takes from its sums. checked: the step that the case is
 * about. */
typedef struct check_network {
    check_random random;
    check_value values[CHECK_VALUES];
    check_step steps[CHECK_STEPS];
    const float *inputs[CHECK_VALUES];
    uint32_t value_count, step_count, input_count, checked;
    size_t batch;
    bool exact;
    float tolerance;
    char words[CHECK_WORDS];
} check_network;

/* Arrays that live until the next case is drawn. */
void check_forget_arrays(void);
void *check_take(size_t count, size_t size);

/* What is taken after a mark is forgotten with it. */
size_t check_mark_arrays(void);
void check_forget_after(size_t mark);

uint32_t check_add_value(check_network *network, const sb_value_spec *spec,
                         const check_layout *layout);
check_step *check_add_step(check_network *network, check_kind kind);

/* More words about the network. */
void check_say(check_network *network, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

size_t check_elements(const sb_value_spec *spec);

/* The network for an instruction set; NULL with the builder's status and message. */
sb_program *check_build(const check_network *network, sb_isa isa, sb_status *status,
                        char message[256]);

/* Every value of all images, plain, codes as numbers; one array each. */
typedef struct check_results {
    float *values[CHECK_VALUES];
} check_results;

/* false where the library refused to run. */
bool check_compute(const check_network *network, const sb_program *program, check_results *results);

/* The first difference, in words; "" where the results agree as the network says. */
void check_compare(const check_network *network, const check_results *found,
                   const check_results *expected, char words[CHECK_WORDS]);

#endif
