#include "registry.h"

#include <string.h>
#include <unistd.h>

static const char *const NAMES[SB_ISA_COUNT] = {"scalar", "portable", "avx2"};

const char *sb_isa_name(sb_isa isa) {
    return (unsigned)isa < SB_ISA_COUNT ? NAMES[isa] : "?";
}

const char *sb_isa_choices(void) {
    return "auto, scalar, portable, avx2";
}

#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#include <cpuid.h>

/* The CPU has AVX2 and FMA, and the system saves the upper halves of their registers: OSXSAVE, and
 * bits 1 and 2 of XCR0. */
static bool has_avx2(void) {
    enum { FMA = 1u << 12, OSXSAVE = 1u << 27, AVX = 1u << 28, AVX2 = 1u << 5, STATE = 6u };
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (FMA | OSXSAVE | AVX)) != (FMA | OSXSAVE | AVX))
        return false;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & STATE) != STATE || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return false;
    return b & AVX2;
}
#else
static bool has_avx2(void) {
    return false;
}
#endif

/* Scalar and portable code is compiled for the baseline of the platform: every CPU runs it. */
bool sb_cpu_runs(sb_isa isa) {
    return isa == SB_ISA_SCALAR || isa == SB_ISA_PORTABLE || (isa == SB_ISA_AVX2 && has_avx2());
}

sb_status sb_isa_resolve(const char *name, sb_isa *isa) {
    if (!name || !isa)
        return SB_INVALID_ARGUMENT;
    const bool any = !strcmp(name, "auto");
    for (int i = SB_ISA_COUNT - 1; i >= 0; --i) {
        if (!any && strcmp(name, NAMES[i]))
            continue;
        if (sb_cpu_runs((sb_isa)i)) {
            *isa = (sb_isa)i;
            return SB_OK;
        }
        if (!any)
            return SB_UNSUPPORTED_ISA;
    }
    return SB_UNKNOWN_ISA;
}

static size_t cache_size(int level) {
#if defined(_SC_LEVEL1_DCACHE_SIZE)
    static const int names[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE,
                                _SC_LEVEL3_CACHE_SIZE};
    const long size = sysconf(names[level - 1]);
    return size > 0 ? (size_t)size : 0;
#else
    (void)level;
    return 0;
#endif
}

sb_status sb_cpu_get(sb_cpu_info *info) {
    if (!info)
        return SB_INVALID_ARGUMENT;
    info->l1_bytes = cache_size(1);
    info->l2_bytes = cache_size(2);
    info->l3_bytes = cache_size(3);
    return SB_OK;
}
