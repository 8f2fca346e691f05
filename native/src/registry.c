#include "registry.h"

#include <string.h>

#define SB_KERNEL_SYMBOL(act, strategy, op, tile, isa)                                             \
    sb_##act##_##strategy##_##op##_##tile##__##isa
#define SB_KERNEL(act, strategy, op, tile, isa, filters, vectors, lanes)                           \
    void SB_KERNEL_SYMBOL(act, strategy, op, tile, isa)(const sb_layer *layer,                     \
                                                        const sb_operands *operands);
#define SB_KERNEL_GENERATED(act, strategy, op, tile, isa, filters, vectors, lanes, together)       \
    SB_KERNEL(act, strategy, op, tile, isa, filters, vectors, lanes)
#define SB_KERNEL_PRODUCTS SB_KERNEL
#include "kernels.def"
#undef SB_KERNEL
#undef SB_KERNEL_GENERATED
#undef SB_KERNEL_PRODUCTS

/* Every strategy, and its name in kernels.def. */
#define SB_STRATEGIES(ROW)                                                                         \
    ROW(DENSE, dense)                                                                              \
    ROW(BUCKET, bucket)                                                                            \
    ROW(SUMS, sums)                                                                                \
    ROW(BITSERIAL, bitserial)                                                                      \
    ROW(TABLE, table)                                                                              \
    ROW(DIRECT, direct)                                                                            \
    ROW(LAYOUT, layout)
#define SB_STRATEGY_NUMBER(enumerator, name) STRATEGY_##name = SB_STRATEGY_##enumerator,
#define SB_STRATEGY_NAME(enumerator, name) [SB_STRATEGY_##enumerator] = #name,
enum { SB_STRATEGIES(SB_STRATEGY_NUMBER) };
static const char *const STRATEGY_NAMES[SB_STRATEGY_COUNT] = {SB_STRATEGIES(SB_STRATEGY_NAME)};

#define SB_KERNEL_TYPE_f32 SB_TYPE_F32
#define SB_KERNEL_TYPE_u8 SB_TYPE_U8
#define SB_KERNEL_ISA_scalar SB_ISA_SCALAR
#define SB_KERNEL_ISA_portable SB_ISA_PORTABLE
#define SB_KERNEL_ISA_avx2 SB_ISA_AVX2
#define SB_KERNEL_ISA_avx512 SB_ISA_AVX512
#define SB_KERNEL_ISA_avx512vnni SB_ISA_AVX512VNNI
#define SB_KERNEL_ISA_neon SB_ISA_NEON
#define SB_KERNEL_ISA_neon_dot SB_ISA_NEON_DOT
#define SB_KERNEL_ISA_neon_i8mm SB_ISA_NEON_I8MM
/* Kernels of another processor are listed, but not compiled: they have nothing to run. */
#if (defined(__x86_64__) || defined(__i386__)) && !SB_BYTE_CODES
#define SB_X86(symbol) symbol
#else
#define SB_X86(symbol) NULL
#endif
#if defined(__aarch64__)
#define SB_ARM(symbol) symbol
#else
#define SB_ARM(symbol) NULL
#endif
#define SB_KERNEL_RUN_scalar(symbol) symbol
#define SB_KERNEL_RUN_portable(symbol) symbol
#define SB_KERNEL_RUN_avx2(symbol) SB_X86(symbol)
#define SB_KERNEL_RUN_avx512(symbol) SB_X86(symbol)
#define SB_KERNEL_RUN_avx512vnni(symbol) SB_X86(symbol)
#define SB_KERNEL_RUN_neon(symbol) SB_ARM(symbol)
#define SB_KERNEL_RUN_neon_dot(symbol) SB_ARM(symbol)
#define SB_KERNEL_RUN_neon_i8mm(symbol) SB_ARM(symbol)
#define SB_KERNEL(act, strategy, op, tile, isa, filters, vectors, lanes)                           \
    SB_ROW(act, strategy, op, tile, isa, filters, vectors, lanes, 0)
#define SB_KERNEL_GENERATED(act, strategy, op, tile, isa, filters, vectors, lanes, together)       \
    SB_ROW(act, strategy, op, tile, isa, filters, vectors, lanes, together)
#define SB_ROW(act, strategy, op, tile, isa, filters, vectors, lanes, together)                    \
    {{"sb_" #act "_" #strategy "_" #op "_" #tile "__" #isa, SB_KERNEL_TYPE_##act,                  \
      (sb_strategy)STRATEGY_##strategy, #op, SB_KERNEL_ISA_##isa, true, filters, vectors, lanes,   \
      together},                                                                                   \
     SB_KERNEL_RUN_##isa(SB_KERNEL_SYMBOL(act, strategy, op, tile, isa))},
#define SB_KERNEL_PRODUCTS SB_KERNEL
static const sb_kernel_row ROWS[] = {
#include "kernels.def"
};
#undef SB_KERNEL
#undef SB_KERNEL_GENERATED
#undef SB_KERNEL_PRODUCTS
#undef SB_ROW

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
    return (int)row->info.isa == isa && row->info.type == query->type &&
           row->info.strategy == query->strategy && !strcmp(row->info.op, query->op) &&
           row->info.filters >= query->filters && row->info.vectors <= query->vectors &&
           (row->info.together > 0) == query->generated;
}

static bool better(const sb_kernel_row *row, const sb_kernel_row *best) {
    if (!best || row->info.vectors != best->info.vectors)
        return !best || row->info.vectors > best->info.vectors;
    return row->info.filters < best->info.filters;
}

/* The instruction set whose kernels serve where this one has none; -1 after the last. */
static int before(int isa) {
    return isa == SB_ISA_NEON ? SB_ISA_PORTABLE : isa - 1;
}

static const sb_kernel_row *find(const sb_kernel_query *query, bool compiled) {
    for (int isa = (int)query->isa; isa >= 0; isa = before(isa)) {
        const sb_kernel_row *best = NULL;
        for (size_t i = 0; i < ROW_COUNT; ++i)
            if (serves(&ROWS[i], query, isa) && (ROWS[i].run || !compiled) &&
                better(&ROWS[i], best))
                best = &ROWS[i];
        if (best)
            return best;
    }
    return NULL;
}

const sb_kernel_row *sb_registry_find(const sb_kernel_query *query) {
    return find(query, true);
}

static sb_kernel_query stage(const char *op, sb_isa isa, sb_type type) {
    return (sb_kernel_query){SB_STRATEGY_LAYOUT, op, isa, type, 0, SB_MAX_VECTORS, false};
}

const sb_kernel_row *sb_registry_stage(const char *op, sb_isa isa, sb_type type) {
    const sb_kernel_query query = stage(op, isa, type);
    return sb_registry_find(&query);
}

const char *sb_strategy_name(sb_strategy strategy) {
    return (unsigned)strategy < SB_STRATEGY_COUNT ? STRATEGY_NAMES[strategy] : "?";
}

const char *sb_type_name(sb_type type) {
    static const char *const names[SB_TYPE_COUNT] = {"f32", "u8"};
    return (unsigned)type < SB_TYPE_COUNT ? names[type] : "?";
}

size_t sb_type_bytes(sb_type type) {
    static const size_t bytes[SB_TYPE_COUNT] = {sizeof(float), sizeof(sb_code)};
    return (unsigned)type < SB_TYPE_COUNT ? bytes[type] : 0;
}

int32_t sb_isa_lanes(sb_isa isa, sb_type type) {
    if ((unsigned)isa >= SB_ISA_COUNT || (unsigned)type >= SB_TYPE_COUNT)
        return 0;
    const sb_kernel_query query = stage("relayout", isa, type);
    return find(&query, false)->info.lanes;
}
