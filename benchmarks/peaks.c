/* What one core can do at most: the roof over every measured time.
 *
 * Prints one JSON object: vector multiply-adds per second on fp32 numbers (in multiply-adds of
 * single numbers), vector additions of an aligned operand from L1 (in vectors of 8 numbers), and
 * bytes read per second from memory. Best of several trials, since noise only adds time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
#define FMA_LANES 16
#elif defined(__AVX__)
#define FMA_LANES 8
#else
#define FMA_LANES 4
#endif
#define TRIALS 15
#define MEMORY_BYTES (256u << 20)

typedef float fma_vector __attribute__((vector_size(4 * FMA_LANES)));
typedef float add_vector __attribute__((vector_size(32)));

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static volatile float sink;

/* Twelve named sums: an array would live in memory. The empty asm keeps each in its register. */
#define EACH_SUM(DO) DO(a) DO(b) DO(c) DO(d) DO(e) DO(f) DO(g) DO(h) DO(i) DO(j) DO(k) DO(l)
#define DECLARE(name) fma_vector name = addend;
#define MULTIPLY_ADD(name)                                                                         \
    name = name * factor + addend;                                                                 \
    __asm__ volatile("" : "+x"(name));
#define KEEP(name) sink = name[0];

static double fma_per_second(void) {
    enum { REPEATS = 2000000, SUMS = 12 };
    double best = 0.0;
    for (int trial = 0; trial < TRIALS; ++trial) {
        fma_vector factor, addend;
        for (int lane = 0; lane < FMA_LANES; ++lane) {
            factor[lane] = 0.999f;
            addend[lane] = 0.001f;
        }
        EACH_SUM(DECLARE)
        double start = now();
        for (int repeat = 0; repeat < REPEATS; ++repeat) {
            EACH_SUM(MULTIPLY_ADD)
        }
        double rate = (double)REPEATS * SUMS * FMA_LANES / (now() - start);
        if (rate > best)
            best = rate;
        EACH_SUM(KEEP)
    }
    return best;
}

#define DECLARE_SUM(name) add_vector name = {0};
#define LOAD_ADD(name)                                                                             \
    name += *at++;                                                                                 \
    __asm__ volatile("" : "+x"(name));

static double load_adds_per_second(void) {
    enum { REPEATS = 20000, SUMS = 12 };
    static add_vector data[SUMS * 40] __attribute__((aligned(64)));
    double best = 0.0;
    memset(data, 1, sizeof data); /* pages of its own, not the one page of zeros */
    for (int trial = 0; trial < TRIALS; ++trial) {
        EACH_SUM(DECLARE_SUM)
        double start = now();
        for (int repeat = 0; repeat < REPEATS; ++repeat) {
            const add_vector *at = data;
            for (int block = 0; block < 40; ++block) {
                EACH_SUM(LOAD_ADD)
            }
        }
        double rate = (double)REPEATS * 40 * SUMS / (now() - start);
        if (rate > best)
            best = rate;
        EACH_SUM(KEEP)
    }
    return best;
}

static double bytes_per_second(void) {
    unsigned char *memory = malloc(MEMORY_BYTES);
    double best = 0.0;
    if (memory == NULL)
        return 0.0;
    memset(memory, 1, MEMORY_BYTES);
    for (int trial = 0; trial < 5; ++trial) {
        add_vector sum[4];
        memset(sum, 0, sizeof sum);
        double start = now();
        for (size_t at = 0; at < MEMORY_BYTES; at += 4 * sizeof(add_vector)) {
#pragma GCC unroll 4
            for (size_t index = 0; index < 4; ++index) {
                add_vector value;
                memcpy(&value, memory + at + index * sizeof value, sizeof value);
                sum[index] += value;
            }
        }
        double rate = (double)MEMORY_BYTES / (now() - start);
        if (rate > best)
            best = rate;
        for (int index = 0; index < 4; ++index)
            sink = sum[index][0];
    }
    free(memory);
    return best;
}

int main(void) {
    printf("{\"fma_per_s\": %.4g, \"load_adds_per_s\": %.4g, \"bytes_per_s\": %.4g}\n",
           fma_per_second(), load_adds_per_second(), bytes_per_second());
    return 0;
}
