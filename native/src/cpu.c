#include "registry.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Kernels of x86 take codes of 16 bits: without those there is none of them. */
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__) && !SB_BYTE_CODES
#include <cpuid.h>

/* Bits of XCR0: what the system saves of xmm and ymm registers; the masks, the upper halves of the
 * first 16 zmm registers, and the other 16. */
enum { STATE_YMM = 0x06, STATE_ZMM = 0xe0 };

/* The vector state that the system keeps for a program; 0 where it does not say. */
static unsigned kept_state(void) {
    enum { OSXSAVE = 1u << 27 };
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Bits of CPUID: of leaf 1 in ecx, of leaf 7 in ebx and in ecx. */
typedef struct features {
    unsigned leaf1_ecx, leaf7_ebx, leaf7_ecx;
} features;

/* Whether the CPU has all these features and the system keeps such registers. */
static bool has(features wanted, unsigned state) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || wanted.leaf1_ecx & ~c || state & ~kept_state())
        return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && !(wanted.leaf7_ebx & ~b) &&
           !(wanted.leaf7_ecx & ~c);
}

static bool has_avx2(void) {
    enum { FMA = 1u << 12, AVX = 1u << 28, AVX2 = 1u << 5 };
    return has((features){FMA | AVX, AVX2, 0}, STATE_YMM);
}

static bool has_avx512(void) {
    enum { F = 1u << 16, DQ = 1u << 17, BW = 1u << 30 };
    const unsigned vl = 1u << 31;
    return has_avx2() && has((features){0, F | DQ | BW | vl, 0}, STATE_YMM | STATE_ZMM);
}

static bool has_avx512vnni(void) {
    enum { VNNI = 1u << 11 };
    return has_avx512() && has((features){0, 0, VNNI}, STATE_YMM | STATE_ZMM);
}
#else
static bool has_avx2(void) {
    return false;
}

static bool has_avx512(void) {
    return false;
}

static bool has_avx512vnni(void) {
    return false;
}
#endif

#if defined(__aarch64__)
static bool has_neon(void) {
    return true;
}
#else
static bool has_neon(void) {
    return false;
}
#endif

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

/* Bits of the auxiliary vector, which older headers do not name. */
static bool has_neon_dot(void) {
    const unsigned long dot_products = 1ul << 20;
    return getauxval(AT_HWCAP) & dot_products;
}

static bool has_neon_i8mm(void) {
    const unsigned long matrix_products = 1ul << 13;
    return has_neon_dot() && getauxval(AT_HWCAP2) & matrix_products;
}
#else
static bool has_neon_dot(void) {
    return false;
}

static bool has_neon_i8mm(void) {
    return false;
}
#endif

/* Scalar and portable code is compiled for the baseline of the platform: every CPU runs it. */
bool sb_cpu_runs(sb_isa isa) {
    switch (isa) {
    case SB_ISA_SCALAR:
    case SB_ISA_PORTABLE:
        return true;
    case SB_ISA_AVX2:
        return has_avx2();
    case SB_ISA_AVX512:
        return has_avx512();
    case SB_ISA_AVX512VNNI:
        return has_avx512vnni();
    case SB_ISA_NEON:
        return has_neon();
    case SB_ISA_NEON_DOT:
        return has_neon_dot();
    case SB_ISA_NEON_I8MM:
        return has_neon_i8mm();
    default:
        return false;
    }
}

/* The first line of a file that says something of one of the first core's caches; "" where there is
 * none. */
static void describe_cache(int index, const char *what, char *line, int room) {
    char path[80];
    line[0] = '\0';
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, what);
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    if (!fgets(line, room, file))
        line[0] = '\0';
    fclose(file);
}

/* Of the data cache of a level, as Linux describes the first core's, "32K" or "2M"; 0 where it does
 * not. */
static size_t described_cache_size(int level) {
    enum { MOST_CACHES = 8, ROOM = 32, MOST_UNITS = 1 << 20 };
    char said[ROOM], unit = '\0';
    int found = 0;
    unsigned units = 0;
    for (int index = 0; index < MOST_CACHES; ++index) {
        describe_cache(index, "level", said, ROOM);
        if (sscanf(said, "%d", &found) != 1 || found != level)
            continue;
        describe_cache(index, "type", said, ROOM);
        if (!strncmp(said, "Instruction", strlen("Instruction")))
            continue;
        describe_cache(index, "size", said, ROOM);
        if (sscanf(said, "%7u%c", &units, &unit) == 2 && units <= MOST_UNITS)
            return (size_t)units << (unit == 'K' ? 10 : unit == 'M' ? 20 : 0);
    }
    return 0;
}

/* As the C library knows it, which of ARM it does not. */
static size_t cache_size(int level) {
#if defined(_SC_LEVEL1_DCACHE_SIZE)
    static const int names[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE,
                                _SC_LEVEL3_CACHE_SIZE};
    const long size = sysconf(names[level - 1]);
    if (size > 0)
        return (size_t)size;
#endif
    return described_cache_size(level);
}

sb_status sb_cpu_get(sb_cpu_info *info) {
    if (!info)
        return SB_INVALID_ARGUMENT;
    info->l1_bytes = cache_size(1);
    info->l2_bytes = cache_size(2);
    info->l3_bytes = cache_size(3);
    return SB_OK;
}
