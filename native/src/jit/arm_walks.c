/* From buckets to instructions of 64-bit ARM, on codes of one byte. machine_walks.c says what a
 * function is, and why walks are interleaved; this is what differs.
 *
 * Nothing is added from memory, so an input is a load of eight codes and an addition that widens
 * them (UADDW). Eight lanes at a time: the vector of 16 takes two calls, the second on code that is
 * in the cache. One load of 16 codes could serve two additions, but the code of a layer would be
 * half as large again, and in-order processors take two cycles for such a load.
 *
 * The loads of the next inputs are written before the additions that wait for this one's: what a
 * step does to registers is delayed by AHEAD steps. Two walks over inputs A, B and D, E, delayed by
 * two steps, window in x0:
 *
 *   step of walk   | written
 *   ---------------|----------------------------------------------------
 *   0: S += A      | ldr d25, [x0, 16 A]
 *   1: S' += D     | ldr d26, [x0, 16 D]
 *   0: S += B      | ldr d27, [x0, 16 B]      uaddw S, S, v25
 *   1: S' += E     | ldr d28, [x0, 16 E]      uaddw S', S', v26
 *   0: flip y1     |                          uaddw S, S, v27
 *                  |                          uaddw S', S', v28
 *                  |                          sub y1, S, y1
 *
 * What is delayed keeps its order, so every sum is that of the walk. A y in memory is read when its
 * step begins: if a store to it is still delayed, everything delayed is written first. */
#include "arm_walks.h"

#include "arm_emitter.h"

enum {
    AHEAD = 6,
    KEPT_REGISTERS = 25, /* of sums and y; the other registers are loaded into in turn */
    LOADED_REGISTERS = 32 - KEPT_REGISTERS,
    SAVED_PAIRS = 4,
    VECTOR_BYTES = 16, /* of codes */
    ROW_BYTES = 32,    /* of y: both halves of a vector of 16-bit sums */
    REACH_PAGES = 8,   /* of 4096 bytes, that an offset from a base reaches */
    NEAR_BASES = 3,
    NOWHERE = -1
};
_Static_assert(LOADED_REGISTERS > AHEAD, "a register is read before it is loaded again");

/* General registers: the window and, from it on, bases one reach after the other; one more base is
 * moved to wherever an input lies beyond. */
enum { WINDOW = 0, RESULT = 1, FIRST_BASE = 3, FAR_BASE = 5 };

/* Instructions of a step that wait. place: in y, of the store among them. */
typedef struct sb_delayed_step {
    uint32_t words[2];
    int32_t count, place;
} sb_delayed_step;

typedef struct sb_delayed_steps {
    sb_delayed_step steps[AHEAD + 1];
    int32_t first, count;
    int32_t loads;    /* written so far */
    int32_t far_base; /* the reach that the far base begins */
} sb_delayed_steps;

static sb_delayed_steps *delayed_of(const sb_walk_writer *writer) {
    return writer->delayed;
}

static void write_oldest(sb_walk_writer *writer) {
    sb_delayed_steps *delayed = delayed_of(writer);
    const sb_delayed_step *oldest = delayed->steps + delayed->first;
    for (int32_t i = 0; i < oldest->count; ++i)
        sb_arm_emit(writer->emitter, oldest->words[i]);
    delayed->first = (delayed->first + 1) % (AHEAD + 1);
    --delayed->count;
}

static void write_all(sb_walk_writer *writer) {
    while (delayed_of(writer)->count)
        write_oldest(writer);
}

static void delay(sb_walk_writer *writer, sb_delayed_step step) {
    sb_delayed_steps *delayed = delayed_of(writer);
    delayed->steps[(delayed->first + delayed->count++) % (AHEAD + 1)] = step;
    if (delayed->count > AHEAD)
        write_oldest(writer);
}

static int next_loaded(sb_walk_writer *writer) {
    return KEPT_REGISTERS + delayed_of(writer)->loads++ % LOADED_REGISTERS;
}

/* ---- boundaries ---------------------------------------------------------------------------- */

static int32_t place_of(const sb_course *course, int32_t f) {
    return (course->first_row + f) * ROW_BYTES;
}

/* A register with the y at that place, once whatever was stored there has been written. */
static int load_result(sb_walk_writer *writer, int32_t place) {
    const sb_delayed_steps *delayed = delayed_of(writer);
    for (int32_t i = 0; i < delayed->count; ++i)
        if (delayed->steps[(delayed->first + i) % (AHEAD + 1)].place == place) {
            write_all(writer);
            break;
        }
    const int loaded = next_loaded(writer);
    sb_arm_emit(writer->emitter, sb_arm_memory(SB_ARM_LOAD_Q, loaded, RESULT, place));
    return loaded;
}

static uint32_t store_result(int source, int32_t place) {
    return sb_arm_memory(SB_ARM_STORE_Q, source, RESULT, place);
}

/* y[f] = S - y[f]. */
static void flip(sb_walk_writer *writer, sb_course *course, int32_t f) {
    const bool untouched = course->untouched >> f & 1;
    const int y = course->y[f][0], sum = course->sum[0];
    const int32_t place = place_of(course, f);
    course->untouched &= ~(1u << f);
    if (y != SB_IN_MEMORY) {
        delay(writer, (sb_delayed_step){{sb_arm_registers(SB_ARM_SUB, y, sum, y)}, 1, NOWHERE});
    } else if (untouched) {
        delay(writer, (sb_delayed_step){{store_result(sum, place)}, 1, place});
    } else {
        const int loaded = load_result(writer, place);
        delay(writer, (sb_delayed_step){{sb_arm_registers(SB_ARM_SUB, loaded, sum, loaded),
                                         store_result(loaded, place)},
                                        2,
                                        place});
    }
}

/* y[f] += S, or y[f] -= S. */
static void step(sb_walk_writer *writer, sb_course *course, int32_t f, bool adds) {
    const sb_arm_operation operation = adds ? SB_ARM_ADD : SB_ARM_SUB;
    const int y = course->y[f][0], sum = course->sum[0];
    const int32_t place = place_of(course, f);
    if (y != SB_IN_MEMORY) {
        delay(writer, (sb_delayed_step){{sb_arm_registers(operation, y, y, sum)}, 1, NOWHERE});
        return;
    }
    const int loaded = load_result(writer, place);
    delay(writer, (sb_delayed_step){{sb_arm_registers(operation, loaded, loaded, sum),
                                     store_result(loaded, place)},
                                    2,
                                    place});
}

static const sb_walk_machine MACHINE = {flip, step};

/* ---- inputs -------------------------------------------------------------------------------- */

/* The base from which an input is reached. */
static int base_of(sb_walk_writer *writer, int32_t reach) {
    sb_delayed_steps *delayed = delayed_of(writer);
    if (!reach)
        return WINDOW;
    if (reach < NEAR_BASES)
        return FIRST_BASE + reach - 1;
    if (delayed->far_base != reach)
        sb_arm_emit(writer->emitter, sb_arm_add_pages(FAR_BASE, WINDOW, reach * REACH_PAGES));
    delayed->far_base = reach;
    return FAR_BASE;
}

static void emit_input(sb_walk_writer *writer, sb_course *course) {
    const int32_t bytes = (int32_t)*course->offsets++ * VECTOR_BYTES;
    const int32_t reach = REACH_PAGES * 4096, sum = course->sum[0];
    const sb_arm_operation operation = course->subtracts ? SB_ARM_USUBW : SB_ARM_UADDW;
    const int base = base_of(writer, bytes / reach), loaded = next_loaded(writer);
    sb_arm_emit(writer->emitter, sb_arm_memory(SB_ARM_LOAD_D, loaded, base, bytes % reach));
    delay(writer, (sb_delayed_step){{sb_arm_registers(operation, sum, sum, loaded)}, 1, NOWHERE});
    --course->left;
}

/* ---- the function -------------------------------------------------------------------------- */

static void emit_start(sb_walk_writer *writer, int registers) {
    for (int pair = 0; pair < SAVED_PAIRS; ++pair)
        sb_arm_emit(writer->emitter, sb_arm_save_pair(pair));
    sb_arm_emit(writer->emitter, sb_arm_memory(SB_ARM_LOAD_X, WINDOW, WINDOW, 0));
    for (int base = 1; base < NEAR_BASES; ++base)
        sb_arm_emit(writer->emitter,
                    sb_arm_add_pages(FIRST_BASE + base - 1, WINDOW, base * REACH_PAGES));
    for (int i = 0; i < registers; ++i)
        sb_arm_emit(writer->emitter, sb_arm_zero(i));
}

/* Stores the y that are in registers; zeros: those that are not, where steps will add to them. */
static void emit_results(sb_walk_writer *writer, bool zeros) {
    for (int32_t i = 0; i < writer->count; ++i) {
        const sb_course *course = &writer->courses[i];
        for (int32_t f = 0; f < course->group->filters; ++f)
            if ((course->y[f][0] == SB_IN_MEMORY) == zeros)
                sb_arm_emit(writer->emitter, store_result(zeros ? course->sum[0] : course->y[f][0],
                                                          place_of(course, f)));
    }
}

/* Filters without any non-zero weight, which walks have where zeros are walked. */
static void clear_untouched(sb_walk_writer *writer) {
    for (int32_t i = 0; i < writer->count; ++i) {
        const sb_course *course = &writer->courses[i];
        for (int32_t f = 0; f < course->group->filters; ++f) {
            if (course->y[f][0] != SB_IN_MEMORY || !(course->untouched >> f & 1))
                continue;
            sb_arm_emit(writer->emitter, sb_arm_zero(course->sum[0]));
            sb_arm_emit(writer->emitter, store_result(course->sum[0], place_of(course, f)));
        }
    }
}

static void emit_end(sb_walk_writer *writer) {
    for (int pair = SAVED_PAIRS - 1; pair >= 0; --pair)
        sb_arm_emit(writer->emitter, sb_arm_restore_pair(pair));
    sb_arm_emit(writer->emitter, sb_arm_return());
}

int32_t sb_emit_arm_walks(sb_emitter *emitter, const sb_bucket_weights *weights,
                          const sb_bucket_group *groups, int32_t count, const sb_walk_form *form) {
    sb_delayed_steps delayed = {.far_base = NOWHERE};
    sb_walk_writer writer = {.emitter = emitter,
                             .weights = weights,
                             .form = form,
                             .machine = &MACHINE,
                             .count = count,
                             .delayed = &delayed};
    int32_t ended = 0;
    (void)sb_start_courses(&writer, groups);
    emit_start(&writer, sb_assign_registers(&writer, KEPT_REGISTERS));
    if (weights->radix == 3)
        emit_results(&writer, true);
    while (ended < count) {
        ended = 0;
        for (int32_t i = 0; i < count; ++i)
            if (sb_approach_input(&writer, &writer.courses[i]))
                emit_input(&writer, &writer.courses[i]);
            else
                ++ended;
    }
    write_all(&writer);
    if (weights->radix == 2)
        clear_untouched(&writer);
    emit_results(&writer, false);
    emit_end(&writer);
    return 0;
}
