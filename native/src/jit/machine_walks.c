/* From buckets to instructions.
 *
 * Walks wait: an addition to S takes 3 cycles and the CPU begins two per cycle, so one walk alone
 * runs at a sixth of its rate. A function therefore interleaves the walks of several groups of
 * filters (and of V pixels), each with a running sum of its own. Within a walk nothing is
 * reordered, so every sum has the bits of the portable walk. Two walks of F = 2 over the inputs
 * A (pattern 01), B (11), C (10) and D (01), E (10), windows in rdi:
 *
 *   walk 0         | walk 1         | instruction
 *   ---------------|----------------|------------------------------------------------------------
 *   flip y0 = 0    | flip y0 = 0    | vfmsub231ps y0, one, S       y0 = 1 * S - y0, of both walks
 *   S += A         |                | vaddps S, S, [rdi + 32 A]
 *                  | S += D         | vaddps S', S', [rdi + 32 D]
 *   flip y1 = A    | flip y1 = D    | vfmsub231ps y1, one, S       ...
 *   S += B         | (11 is empty)  | vaddps S, S, [rdi + 32 B]
 *                  | flip y0 = D    | vfmsub231ps y0', one, S'
 *                  | S += E         | vaddps S', S', [rdi + 32 E]
 *   flip y0 = A+B  | flip y1 = E    | ...
 *   S += C         |                | vaddps S, S, [rdi + 32 C]
 *   flip y1 = B+C  |                | vfmsub231ps y1, one, S
 *
 * With vectors of 64 bytes the offsets are 64 A and so on; the 8-bit displacements of EVEX count
 * vectors, so most of these instructions are no longer for it.
 *
 * A flip of floats is a multiplication by one and a subtraction, rounded once: the same bits as
 * S - y, on the ports that multiply, while the additions keep theirs.
 *
 * Registers: one S per walk and vector, the ones, and as many y as fit, those of the lowest bits
 * first because they flip most often (bit b flips every 2^(b+1) buckets); one register is kept for
 * the flips of those that stay in the result y, in memory.
 *
 * Code of a walk is about four times as large as its offsets, and that of a layer may be megabytes,
 * which processors hardly fetch in advance: without the requests for what runs later a deep layer
 * waits for memory more than half of its time. */
#include "machine_walks.h"

enum {
    SHORT_REGISTERS = 16, /* whose instructions have the short encoding, */
    SHORT_BYTES = 32,     /* with vectors of this size */
    ONE_BITS_UP = 25,     /* all bits set, shifted by 25 up and 2 down, are 0x3f800000: 1.0f */
    ONE_BITS_DOWN = 2
};

/* Windows are loaded in this order, so that the argument's own register may be the last. */
static const sb_pointer WINDOWS[SB_MACHINE_VECTORS] = {SB_RAX, SB_RCX, SB_RDI};
static const sb_pointer ARGUMENT = SB_RDI, RESULT = SB_RSI, AHEAD = SB_RDX;

static int32_t place_of(const sb_walk_writer *writer, const sb_course *course, int32_t f,
                        int32_t v) {
    const sb_walk_form *form = writer->form;
    return ((course->first_row + f) * form->vectors + v) * form->vector_bytes;
}

static sb_operation addition(const sb_walk_writer *writer) {
    return writer->form->codes ? SB_VPADDW : SB_VADDPS;
}

static sb_operation subtraction(const sb_walk_writer *writer) {
    return writer->form->codes ? SB_VPSUBW : SB_VSUBPS;
}

/* ---- boundaries ---------------------------------------------------------------------------- */

/* y[f] = S - y[f]. */
static void flip(sb_walk_writer *writer, sb_course *course, int32_t f) {
    sb_emitter *emitter = writer->emitter;
    const bool untouched = course->untouched >> f & 1;
    course->untouched &= ~(1u << f);
    for (int32_t v = 0; v < writer->form->vectors; ++v) {
        const int y = course->y[f][v], sum = course->sum[v];
        const int32_t place = place_of(writer, course, f, v);
        if (y != SB_IN_MEMORY && writer->form->codes) {
            sb_emit_registers(emitter, SB_VPSUBW, y, sum, y);
        } else if (y != SB_IN_MEMORY) {
            sb_emit_registers(emitter, SB_VFMSUB231PS, y, writer->one, sum);
        } else if (untouched) {
            sb_emit_memory(emitter, SB_VMOVUPS_STORE, sum, 0, RESULT, place);
        } else {
            sb_emit_memory(emitter, subtraction(writer), writer->spare, sum, RESULT, place);
            sb_emit_memory(emitter, SB_VMOVUPS_STORE, writer->spare, 0, RESULT, place);
        }
    }
}

/* y[f] += S, or y[f] -= S. */
static void step(sb_walk_writer *writer, sb_course *course, int32_t f, bool adds) {
    sb_emitter *emitter = writer->emitter;
    for (int32_t v = 0; v < writer->form->vectors; ++v) {
        const int y = course->y[f][v], sum = course->sum[v], spare = writer->spare;
        const int32_t place = place_of(writer, course, f, v);
        if (y != SB_IN_MEMORY && writer->form->codes) {
            sb_emit_registers(emitter, adds ? SB_VPADDW : SB_VPSUBW, y, y, sum);
            continue;
        }
        if (y != SB_IN_MEMORY) {
            sb_emit_registers(emitter, adds ? SB_VFMADD231PS : SB_VFNMADD231PS, y, writer->one,
                              sum);
            continue;
        }
        sb_emit_memory(emitter, SB_VMOVUPS_LOAD, spare, 0, RESULT, place);
        sb_emit_registers(emitter, adds ? addition(writer) : subtraction(writer), spare, spare,
                          sum);
        sb_emit_memory(emitter, SB_VMOVUPS_STORE, spare, 0, RESULT, place);
    }
}

/* ---- the function -------------------------------------------------------------------------- */

/* Sums, which every input is added to, move below `below`, and those y that flip least make room.
 */
static void lower_sums(sb_walk_writer *writer, int end, int below) {
    const int vectors = writer->form->vectors, sums = writer->count * vectors;
    const int moved = below - sums;
    if (end <= below)
        return;
    for (int32_t i = 0; i < writer->count; ++i)
        for (int32_t v = 0; v < vectors; ++v) {
            writer->courses[i].sum[v] = (int8_t)(moved + i * vectors + v);
            for (int32_t f = 0; f < SB_WALK_FILTERS; ++f)
                if (writer->courses[i].y[f][v] >= moved)
                    writer->courses[i].y[f][v] = (int8_t)(writer->courses[i].y[f][v] + sums);
        }
}

/* Registers: of walks first, then what every function needs; one is kept for the y that are in
 * memory, if any are. */
static void assign_registers(sb_walk_writer *writer, int32_t rows) {
    const int32_t vectors = writer->form->vectors, registers = writer->form->registers;
    const int floats = !writer->form->codes;
    int needed = floats;
    if (rows * vectors > registers - needed - writer->count * vectors)
        ++needed;
    writer->one = (int8_t)sb_assign_registers(writer, registers - needed);
    writer->spare = (int8_t)(writer->one + floats);
    lower_sums(writer, writer->one, SHORT_REGISTERS);
}

static const sb_walk_machine MACHINE = {flip, step};

static void emit_start(sb_walk_writer *writer) {
    sb_emitter *emitter = writer->emitter;
    for (int32_t v = 0; v < writer->form->vectors; ++v)
        sb_emit_load_pointer(emitter, WINDOWS[v], ARGUMENT, (int8_t)(v * 8));
    for (int i = 0; i < writer->one; ++i)
        sb_emit_registers(emitter, SB_VXORPS, i, i, i);
    if (writer->form->codes)
        return;
    sb_emit_ones(emitter, writer->one);
    sb_emit_shift_left(emitter, writer->one, writer->one, ONE_BITS_UP);
    sb_emit_shift_right(emitter, writer->one, writer->one, ONE_BITS_DOWN);
}

/* Stores the y that are in registers; zeros: those that are not, where steps will add to them. */
static void emit_results(sb_walk_writer *writer, bool zeros) {
    for (int32_t i = 0; i < writer->count; ++i) {
        const sb_course *course = &writer->courses[i];
        for (int32_t f = 0; f < course->group->filters; ++f)
            for (int32_t v = 0; v < writer->form->vectors; ++v)
                if ((course->y[f][v] == SB_IN_MEMORY) == zeros)
                    sb_emit_memory(writer->emitter, SB_VMOVUPS_STORE,
                                   zeros ? course->sum[v] : course->y[f][v], 0, RESULT,
                                   place_of(writer, course, f, v));
    }
}

/* Filters without any non-zero weight, which walks have where zeros are walked: their flips leave
 * nothing. */
static void clear_untouched(sb_walk_writer *writer) {
    for (int32_t i = 0; i < writer->count; ++i) {
        const sb_course *course = &writer->courses[i];
        for (int32_t f = 0; f < course->group->filters; ++f)
            for (int32_t v = 0; v < writer->form->vectors; ++v) {
                const int sum = course->sum[v];
                if (course->y[f][v] != SB_IN_MEMORY || !(course->untouched >> f & 1))
                    continue;
                sb_emit_registers(writer->emitter, SB_VXORPS, sum, sum, sum);
                sb_emit_memory(writer->emitter, SB_VMOVUPS_STORE, sum, 0, RESULT,
                               place_of(writer, course, f, v));
            }
    }
}

static void emit_input(sb_walk_writer *writer, sb_course *course) {
    const int32_t displacement = (int32_t)*course->offsets++ * writer->form->vector_bytes;
    const sb_operation operation = course->subtracts ? subtraction(writer) : addition(writer);
    for (int32_t v = 0; v < writer->form->vectors; ++v)
        sb_emit_memory(writer->emitter, operation, course->sum[v], course->sum[v], WINDOWS[v],
                       displacement);
    --course->left;
}

/* Inputs of the walks, and about as many cache lines as a run is to fetch: an addition from memory
 * has 8 bytes, one of registers 4. */
static uint32_t plan_fetches(const sb_walk_writer *writer, int32_t *lines) {
    uint32_t inputs = 0, lists = 0;
    for (int32_t i = 0; i < writer->count; ++i) {
        const sb_course *course = &writer->courses[i];
        const uint16_t *end = course->counts + course->lists;
        inputs += course->left;
        for (const uint16_t *count = course->counts; count < end; ++count)
            inputs += *count;
        lists += course->lists;
    }
    const uint32_t bytes = (8 * inputs + 4 * lists) * (uint32_t)writer->form->vectors;
    *lines = (int32_t)(bytes / SB_LINE_BYTES / (uint32_t)writer->form->tiles + 1);
    return inputs;
}

/* Keeps the requests as far apart as the inputs allow: more at once than the CPU can have under way
 * would hold it up. */
static void fetch_ahead(sb_walk_writer *writer, uint32_t inputs, int32_t lines) {
    ++writer->inputs;
    while ((uint64_t)writer->fetched * inputs < (uint64_t)writer->inputs * (uint32_t)lines)
        sb_emit_prefetch(writer->emitter, AHEAD, writer->fetched++ * SB_LINE_BYTES);
}

int32_t sb_emit_walks(sb_emitter *emitter, const sb_bucket_weights *weights,
                      const sb_bucket_group *groups, int32_t count, const sb_walk_form *form) {
    sb_walk_writer writer = {
        .emitter = emitter, .weights = weights, .form = form, .machine = &MACHINE, .count = count};
    int32_t ended = 0, lines;
    emitter->long_vectors = form->vector_bytes > SHORT_BYTES;
    assign_registers(&writer, sb_start_courses(&writer, groups));
    const uint32_t inputs = plan_fetches(&writer, &lines);
    emit_start(&writer);
    if (weights->radix == 3)
        emit_results(&writer, true);
    while (ended < count) {
        ended = 0;
        for (int32_t i = 0; i < count; ++i) {
            if (!sb_approach_input(&writer, &writer.courses[i])) {
                ++ended;
                continue;
            }
            emit_input(&writer, &writer.courses[i]);
            fetch_ahead(&writer, inputs, lines);
        }
    }
    if (weights->radix == 2)
        clear_untouched(&writer);
    emit_results(&writer, false);
    sb_emit_return(emitter);
    return writer.fetched;
}
