/* Names of instruction sets, and which one a name stands for on this CPU. */
#include "registry.h"

#include <string.h>

static const char *const NAMES[SB_ISA_COUNT] = {"scalar",     "portable", "avx2",     "avx512",
                                                "avx512vnni", "neon",     "neon_dot", "neon_i8mm"};

const char *sb_isa_name(sb_isa isa) {
    return (unsigned)isa < SB_ISA_COUNT ? NAMES[isa] : "?";
}

const char *sb_isa_choices(void) {
    return "auto, scalar, portable, avx2, avx512, avx512vnni, neon, neon_dot, neon_i8mm";
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
