#include "courses.h"

static int32_t trailing_zeros(uint32_t value) {
    int32_t zeros = 0;
    for (; !(value & 1); value >>= 1)
        ++zeros;
    return zeros;
}

/* A boundary at which y[f] flips. Between empty buckets S stays, and two flips of whole numbers are
 * none: what remains of a run of them is the bits in which the patterns around it differ. Of floats
 * S - (S - y) may differ from y. */
static void cross(sb_walk_writer *writer, sb_course *course, int32_t f) {
    if (writer->form->codes)
        course->pending ^= 1u << f;
    else
        writer->machine->flip(writer, course, f);
}

static void flip_pending(sb_walk_writer *writer, sb_course *course) {
    for (int32_t f = 0; f < course->group->filters; ++f)
        if (course->pending >> f & 1)
            writer->machine->flip(writer, course, f);
    course->pending = 0;
}

/* Between two lists of a walk. */
static void enter_list(sb_walk_writer *writer, sb_course *course) {
    const sb_bucket_weights *weights = writer->weights;
    const uint32_t list = course->list++;
    if (weights->radix == 2) {
        cross(writer, course, trailing_zeros(list + 1));
    } else if (!list && weights->zeros) {
        writer->machine->step(writer, course, 0,
                              course->group->filters % 2 == 0); /* see sb_walk_zeros */
    } else if (list && list % 2 == 0) {
        const uint8_t change = weights->flips[course->group->filters - 1][list / 2 - 1];
        writer->machine->step(writer, course, change & 0x7f, !(change & 0x80));
    }
    course->subtracts = weights->radix == 3 && list % 2;
    course->left = *course->counts++;
}

static void end_walk(sb_walk_writer *writer, sb_course *course) {
    const int32_t filters = course->group->filters;
    if (writer->weights->radix == 2)
        cross(writer, course, filters - 1);
    else
        for (int32_t f = 0; f < filters; ++f)
            writer->machine->step(writer, course, f, true);
    course->ended = true;
}

bool sb_approach_input(sb_walk_writer *writer, sb_course *course) {
    while (!course->left && !course->ended) {
        if (course->list < course->lists)
            enter_list(writer, course);
        else
            end_walk(writer, course);
    }
    flip_pending(writer, course);
    return !course->ended;
}

static void start_course(sb_walk_writer *writer, const sb_bucket_group *group, int32_t first_row,
                         sb_course *course) {
    const sb_bucket_weights *weights = writer->weights;
    uint32_t patterns = 1;
    for (int32_t f = 0; f < group->filters; ++f)
        patterns *= (uint32_t)weights->radix;
    *course = (sb_course){.group = group,
                          .counts = weights->counts + group->counts_begin,
                          .offsets = weights->offsets + group->offsets_begin,
                          .lists = patterns - 1, /* radix 3: two for each of (patterns - 1) / 2 */
                          .first_row = first_row,
                          .untouched = UINT32_MAX};
    if (weights->zeros)
        course->left = *course->counts++;
}

int32_t sb_start_courses(sb_walk_writer *writer, const sb_bucket_group *groups) {
    int32_t rows = 0;
    for (int32_t i = 0; i < writer->count; ++i) {
        start_course(writer, groups + i, rows, &writer->courses[i]);
        rows += groups[i].filters;
    }
    return rows;
}

int sb_assign_registers(sb_walk_writer *writer, int free) {
    const int32_t vectors = writer->form->vectors;
    const int kept = free - writer->count * vectors;
    int next = 0;
    for (int32_t f = 0; f < SB_WALK_FILTERS; ++f)
        for (int32_t i = 0; i < writer->count; ++i)
            for (int32_t v = 0; v < vectors; ++v) {
                const bool fits = f < writer->courses[i].group->filters && next < kept;
                writer->courses[i].y[f][v] = (int8_t)(fits ? next++ : SB_IN_MEMORY);
            }
    for (int32_t i = 0; i < writer->count; ++i)
        for (int32_t v = 0; v < vectors; ++v)
            writer->courses[i].sum[v] = (int8_t)next++;
    return next;
}
