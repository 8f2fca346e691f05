/* Running a program: the last part of signbin.h, which includes it. */
#ifndef SIGNBIN_RUN_H
#define SIGNBIN_RUN_H

#ifndef SIGNBIN_H
#error "include signbin.h"
#endif

SB_API void sb_program_free(sb_program *program);

SB_API size_t sb_program_step_count(const sb_program *program);

/* Bytes of packed low-bit weights that step reads beside values and factors: offsets and counts of
 * a walk, words of shared sums, bitmaps; 0 for other steps, and where there is no such step. */
SB_API size_t sb_program_step_packed_bytes(const sb_program *program, size_t step);

/* Name of the kernel that step runs, as in kernels.def; NULL where there is no such step. */
SB_API const char *sb_program_step_kernel(const sb_program *program, size_t step);

/* Bytes of machine code that were made for the program; 0 where there are none. */
SB_API size_t sb_program_machine_code_bytes(const sb_program *program);

/* Elements per image of a value; SB_INVALID_ARGUMENT where there is no such value. */
SB_API sb_status sb_program_value_elements(const sb_program *program, uint32_t value,
                                           size_t *elements);
SB_API size_t sb_program_value_count(const sb_program *program);
SB_API size_t sb_program_input_count(const sb_program *program);
SB_API size_t sb_program_output_count(const sb_program *program);

/* The value that is an input or output; SB_NO_VALUE where there is none of that number. */
SB_API uint32_t sb_program_input(const sb_program *program, size_t index);
SB_API uint32_t sb_program_output(const sb_program *program, size_t index);

/* Bytes one call works in: values of one image, values of the batch, then the scratch of the
 * hungriest step for every thread. */
SB_API sb_status sb_program_arena_bytes(const sb_program *program, size_t batch, size_t *bytes);

/* inputs, outputs: one pointer each, to batch images, float32, plain, any alignment of 4; no output
 * may overlap another array.
 * copies: NULL, or one pointer per value: where it is not NULL the value (batch images, plain,
 * codes as float32 numbers) is copied there as soon as it is written. step_ns: NULL, or one number
 * per step, set to the nanoseconds the step took for all images. Any thread may call, at once with
 * others: the first call takes the program's threads, the others meanwhile run on their callers'
 * threads alone. The result has the same bits whatever the number of threads or the batch. */
SB_API sb_status sb_program_run(const sb_program *program, const float *const *inputs,
                                float *const *outputs, size_t batch, float *const *copies,
                                double *step_ns);

#endif
