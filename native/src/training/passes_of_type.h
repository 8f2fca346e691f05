/* The passes over one type of elements; included once for each, with SB_ELEMENT, SB_WOVEN,
 * SB_LOAD, SB_STORE and SB_NAME defined. What is inlined by force has its flags as constants.
 *
 * Sums go column by column through as many rows as stay in the first cache, four rows at a time
 * with a sum each: an addition takes as long as four of them. */

/* A block that may be cut short: the rest of it is zeros. */
static INLINED pair SB_NAME(read_some)(const SB_ELEMENT *from, size_t count) {
    SB_ELEMENT block[BLOCK] = {0};
    memcpy(block, from, count * sizeof *from);
    return SB_LOAD(block);
}

static INLINED void SB_NAME(write_some)(SB_ELEMENT *to, pair from, size_t count) {
    SB_ELEMENT block[BLOCK];
    SB_STORE(block, from);
    memcpy(to, block, count * sizeof *to);
}

static INLINED pair SB_NAME(read)(const void *array, size_t at, size_t count) {
    const SB_ELEMENT *from = (const SB_ELEMENT *)array + at;
    return count == BLOCK ? SB_LOAD(from) : SB_NAME(read_some)(from, count);
}

static INLINED void SB_NAME(write_block)(void *array, size_t at, pair from, size_t count) {
    SB_ELEMENT *to = (SB_ELEMENT *)array + at;
    if (count == BLOCK)
        SB_STORE(to, from);
    else
        SB_NAME(write_some)(to, from, count);
}

/* Where a block lies: at which element of the arrays and lane of a row, and how much of it. */
typedef struct SB_NAME(place) {
    size_t at, lane, count;
} SB_NAME(place);

typedef void (*SB_NAME(adder))(const sb_pass *pass, SB_NAME(place) place, bool rectify, sums *sums);

static INLINED void SB_NAME(add_statistics)(const sb_pass *pass, SB_NAME(place) place, bool rectify,
                                            sums *sums) {
    (void)rectify;
    const pair x = SB_NAME(read)(pass->in[0], place.at, place.count);
    const pair first = load_floats(pass->first + place.lane);
    const floats even = x.even - first.even, odd = x.odd - first.odd;
    sums->plain.even += even;
    sums->plain.odd += odd;
    sums->products.even += even * even;
    sums->products.odd += odd * odd;
}

static INLINED pair SB_NAME(passed)(const sb_pass *pass, SB_NAME(place) place, bool rectify) {
    const pair g = SB_NAME(read)(pass->in[0], place.at, place.count);
    if (!rectify)
        return g;
    const pair y = SB_NAME(read)(pass->in[2], place.at, place.count);
    return (pair){keep(g.even, ~(truths)(y.even <= 0.0f)), keep(g.odd, ~(truths)(y.odd <= 0.0f))};
}

static INLINED void SB_NAME(add_gradients)(const sb_pass *pass, SB_NAME(place) place, bool rectify,
                                           sums *sums) {
    const pair g = SB_NAME(passed)(pass, place, rectify);
    const pair x = SB_NAME(read)(pass->in[1], place.at, place.count);
    const pair first = load_floats(pass->first + place.lane);
    sums->plain.even += g.even;
    sums->plain.odd += g.odd;
    sums->products.even += g.even * (x.even - first.even);
    sums->products.odd += g.odd * (x.odd - first.odd);
}

/* One column of rows [begin, end). */
static INLINED void SB_NAME(sum_column)(const sb_pass *pass, size_t begin, size_t end, size_t lane,
                                        double *totals, SB_NAME(adder) add, bool rectify) {
    const size_t lanes = pass->lanes;
    sums a = {{{0}, {0}}, {{0}, {0}}}, b = a, c = a, d = a;
    SB_NAME(place) place = {begin * lanes + lane, lane, BLOCK};
    size_t row = begin;
    for (; row + 4 <= end; row += 4, place.at += lanes) {
        add(pass, place, rectify, &a);
        place.at += lanes;
        add(pass, place, rectify, &b);
        place.at += lanes;
        add(pass, place, rectify, &c);
        place.at += lanes;
        add(pass, place, rectify, &d);
    }
    for (; row < end; ++row, place.at += lanes)
        add(pass, place, rectify, &a);
    add_sums(&a, &b);
    add_sums(&c, &d);
    add_sums(&a, &c);
    bring_sums(&a, lane, lanes, totals);
}

static INLINED void SB_NAME(sum)(const sb_pass *pass, size_t begin, size_t end, double *totals,
                                 SB_NAME(adder) add, bool rectify) {
    const size_t all = pass->elements / pass->lanes, whole = end < all ? end : all;
    const size_t most = 4096 / pass->lanes, chunk = most ? most : 1;
    for (size_t row = begin; row < whole; row += chunk) {
        const size_t last = row + chunk < whole ? row + chunk : whole;
        for (size_t lane = 0; lane < pass->lanes; lane += BLOCK)
            SB_NAME(sum_column)(pass, row, last, lane, totals, add, rectify);
    }
    for (size_t at = all * pass->lanes; all < end && at < pass->elements; at += BLOCK) {
        const size_t left = pass->elements - at;
        const SB_NAME(place) place = {at, at - all * pass->lanes, left < BLOCK ? left : BLOCK};
        sums found = {{{0}, {0}}, {{0}, {0}}};
        add(pass, place, rectify, &found);
        cut_sums(&found, place.count, SB_WOVEN);
        bring_sums(&found, place.lane, pass->lanes, totals);
    }
}

static void SB_NAME(statistics)(const sb_pass *pass, size_t begin, size_t end, double *sums) {
    SB_NAME(sum)(pass, begin, end, sums, SB_NAME(add_statistics), false);
}

static void SB_NAME(gradients)(const sb_pass *pass, size_t begin, size_t end, double *sums) {
    if (pass->rectify)
        SB_NAME(sum)(pass, begin, end, sums, SB_NAME(add_gradients), true);
    else
        SB_NAME(sum)(pass, begin, end, sums, SB_NAME(add_gradients), false);
}

/* other: whether there is a residual, or its gradient. */
typedef void (*SB_NAME(writer))(const sb_pass *pass, SB_NAME(place) place, bool rectify,
                                bool other);

static INLINED void SB_NAME(write_normalized)(const sb_pass *pass, SB_NAME(place) place,
                                              bool rectify, bool other) {
    pair y = SB_NAME(read)(pass->in[0], place.at, place.count);
    const pair scale = load_floats(pass->scale + place.lane);
    const pair shift = load_floats(pass->shift + place.lane);
    y.even = y.even * scale.even + shift.even;
    y.odd = y.odd * scale.odd + shift.odd;
    if (other) {
        const pair residual = SB_NAME(read)(pass->in[1], place.at, place.count);
        y.even += residual.even;
        y.odd += residual.odd;
    }
    if (rectify) {
        y.even = keep(y.even, ~(truths)(y.even < 0.0f));
        y.odd = keep(y.odd, ~(truths)(y.odd < 0.0f));
    }
    SB_NAME(write_block)(pass->out[0], place.at, y, place.count);
}

static INLINED void SB_NAME(write_backward)(const sb_pass *pass, SB_NAME(place) place, bool rectify,
                                            bool other) {
    const pair g = SB_NAME(passed)(pass, place, rectify);
    const pair x = SB_NAME(read)(pass->in[1], place.at, place.count);
    const pair scale = load_floats(pass->scale + place.lane);
    const pair slope = load_floats(pass->slope + place.lane);
    const pair shift = load_floats(pass->shift + place.lane);
    const pair given = {g.even * scale.even + x.even * slope.even + shift.even,
                        g.odd * scale.odd + x.odd * slope.odd + shift.odd};
    SB_NAME(write_block)(pass->out[0], place.at, given, place.count);
    if (other)
        SB_NAME(write_block)(pass->out[1], place.at, g, place.count);
}

static INLINED void SB_NAME(write)(const sb_pass *pass, size_t begin, size_t end,
                                   SB_NAME(writer) write, bool rectify, bool other) {
    for (size_t row = begin; row < end; ++row) {
        const size_t at = row * pass->lanes, left = pass->elements - at;
        const size_t lanes = left < pass->lanes ? left : pass->lanes;
        size_t lane = 0;
        for (; lane + BLOCK <= lanes; lane += BLOCK)
            write(pass, (SB_NAME(place)){at + lane, lane, BLOCK}, rectify, other);
        if (lane < lanes)
            write(pass, (SB_NAME(place)){at + lane, lane, lanes - lane}, rectify, other);
    }
}

static INLINED void SB_NAME(write_any)(const sb_pass *pass, size_t begin, size_t end,
                                       SB_NAME(writer) write, bool other) {
    if (pass->rectify && other)
        SB_NAME(write)(pass, begin, end, write, true, true);
    else if (pass->rectify)
        SB_NAME(write)(pass, begin, end, write, true, false);
    else if (other)
        SB_NAME(write)(pass, begin, end, write, false, true);
    else
        SB_NAME(write)(pass, begin, end, write, false, false);
}

static void SB_NAME(normalize)(const sb_pass *pass, size_t begin, size_t end, double *sums) {
    (void)sums;
    SB_NAME(write_any)(pass, begin, end, SB_NAME(write_normalized), pass->in[1]);
}

static void SB_NAME(backward)(const sb_pass *pass, size_t begin, size_t end, double *sums) {
    (void)sums;
    SB_NAME(write_any)(pass, begin, end, SB_NAME(write_backward), pass->out[1]);
}
