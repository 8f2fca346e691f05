#include "registry.h"

#include <string.h>

#define SB_KERNEL_ISA_scalar SB_ISA_SCALAR
#define SB_KERNEL_ISA_portable SB_ISA_PORTABLE
#define SB_KERNEL_ISA_avx2 SB_ISA_AVX2
#define SB_KERNEL(act, strategy, op, tile, isa, filters, vectors, lanes)                           \
    {{"sb_" #act "_" #strategy "_" #op "_" #tile "__" #isa, #strategy, #op, SB_KERNEL_ISA_##isa,   \
      true, filters, vectors, lanes},                                                              \
     SB_KERNEL_SYMBOL(act, strategy, op, tile, isa)},
static const sb_kernel_row ROWS[] = {
#include "kernels.def"
};
#undef SB_KERNEL

enum { ROW_COUNT = sizeof ROWS / sizeof *ROWS };

size_t sb_kernel_count(void) {
    return ROW_COUNT;
}

sb_status sb_kernel_get(size_t index, sb_kernel_info *info) {
    if (index >= ROW_COUNT || !info)
        return SB_INVALID_ARGUMENT;
    *info = ROWS[index].info;
    info->usable = sb_cpu_runs(info->isa);
    return SB_OK;
}

static bool serves(const sb_kernel_row *row, const sb_kernel_query *query, int isa) {
    return (int)row->info.isa == isa && !strcmp(row->info.op, query->op) &&
           !strcmp(row->info.strategy, query->strategy) && row->info.filters >= query->filters &&
           row->info.vectors <= query->vectors;
}

static bool better(const sb_kernel_row *row, const sb_kernel_row *best) {
    if (!best || row->info.vectors != best->info.vectors)
        return !best || row->info.vectors > best->info.vectors;
    return row->info.filters < best->info.filters;
}

const sb_kernel_row *sb_registry_find(const sb_kernel_query *query) {
    for (int isa = (int)query->isa; isa >= 0; --isa) {
        const sb_kernel_row *best = NULL;
        for (size_t i = 0; i < ROW_COUNT; ++i)
            if (serves(&ROWS[i], query, isa) && better(&ROWS[i], best))
                best = &ROWS[i];
        if (best)
            return best;
    }
    return NULL;
}

const sb_kernel_row *sb_registry_stage(const char *op, sb_isa isa) {
    const sb_kernel_query query = {"layout", op, isa, 0, SB_MAX_VECTORS};
    return sb_registry_find(&query);
}

int32_t sb_isa_lanes(sb_isa isa) {
    if ((unsigned)isa >= SB_ISA_COUNT)
        return 0;
    return sb_registry_stage("relayout", isa)->info.lanes;
}
