/* Every kernel alone, after checkasm of FFmpeg, x264 and dav1d: random cases, drawn from a seed, of
 * every row of kernels.def and every walk that became machine code, called through a trampoline on
 * memory between guard pages, against the scalar kernels. See docs/reliability.md. */
#include "bench.h"
#include "call.h"
#include "cases.h"
#include "intercept.h"
#include "planted.h"
#include "walks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char USAGE[] =
    "check_kernels [--seed N] [--cases N] [--kernel NAME] [--isa ISA] [--json FILE] [--verbose]\n"
    "check_kernels --list | --bench | --plants | --plant NAME\n"
    "  --seed N       repeats the run of that seed; else one of the time\n"
    "  --cases N      of every row, 8 at first; of one with generated walks 20 times as many\n"
    "  --kernel NAME  rows whose names have this part\n"
    "  --isa ISA      rows of this instruction set\n"
    "  --bench        the least time of a call, beside the scalar kernel's\n"
    "  --plant NAME   a kernel that is wrong in this way takes the place of a right one\n";

typedef struct arguments {
    check_options options;
    bool lists, measures, lists_plants;
    const char *plant, *json;
} arguments;

/* The value of an option, which must follow it. */
static const char *value_of(int count, char **given, int *at) {
    if (*at + 1 < count)
        return given[++*at];
    fprintf(stderr, "check_kernels: %s without a value\n%s", given[*at], USAGE);
    exit(2);
}

static void read_arguments(int count, char **given, arguments *read) {
    *read = (arguments){.options = {.seed = (uint64_t)time(NULL), .cases = 8}};
    for (int i = 1; i < count; ++i) {
        if (!strcmp(given[i], "--seed"))
            read->options.seed = strtoull(value_of(count, given, &i), NULL, 10);
        else if (!strcmp(given[i], "--cases"))
            read->options.cases = (int32_t)strtol(value_of(count, given, &i), NULL, 10);
        else if (!strcmp(given[i], "--kernel"))
            read->options.kernel = value_of(count, given, &i);
        else if (!strcmp(given[i], "--isa"))
            read->options.isa = value_of(count, given, &i);
        else if (!strcmp(given[i], "--json"))
            read->json = value_of(count, given, &i);
        else if (!strcmp(given[i], "--plant"))
            read->plant = value_of(count, given, &i);
        else if (!strcmp(given[i], "--verbose"))
            read->options.verbose = true;
        else if (!strcmp(given[i], "--list"))
            read->lists = true;
        else if (!strcmp(given[i], "--bench"))
            read->measures = true;
        else if (!strcmp(given[i], "--plants"))
            read->lists_plants = true;
        else {
            fprintf(stderr, "check_kernels: %s is no option\n%s", given[i], USAGE);
            exit(2);
        }
    }
}

static int list_rows(const check_options *options) {
    sb_kernel_info row;
    for (size_t i = 0; sb_kernel_get(i, &row) == SB_OK; ++i)
        if (check_wanted(options, &row))
            printf("%s%s\n", row.name, row.usable ? "" : "  (not on this CPU)");
    return 0;
}

/* Instruction sets that rows ran of, with their numbers of rows, as a JSON object. */
static void write_isas(FILE *file) {
    uint32_t rows[SB_ISA_COUNT] = {0};
    bool first = true;
    sb_kernel_info row;
    for (size_t i = 0; sb_kernel_get(i, &row) == SB_OK; ++i)
        rows[row.isa] += check_counted()->of_row[i] > 0;
    for (int isa = 0; isa < SB_ISA_COUNT; ++isa)
        if (rows[isa]) {
            fprintf(file, "%s\"%s\": %u", first ? "" : ", ", sb_isa_name((sb_isa)isa), rows[isa]);
            first = false;
        }
}

static void write_text(FILE *file, const char *text) {
    fputc('"', file);
    for (; *text; ++text)
        fprintf(file, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    fputc('"', file);
}

static void write_json(FILE *file, const check_options *options, double seconds) {
    const check_outcome *came = check_came_of_it();
    const check_walk_counts *walks = check_walks_counted();
    fprintf(file,
            "{\"seed\": %llu, \"cases_per_row\": %d, \"seconds\": %.1f, \"rows\": %u, \"skipped\": "
            "%u, \"cases\": %llu, \"refused\": %llu, \"calls\": %llu, \"values\": %llu, "
            "\"walks\": %llu, \"walk_calls\": %llu, \"code_bytes\": %llu, \"stack_bytes\": %zu, "
            "\"faults\": %llu, \"isas\": {",
            (unsigned long long)options->seed, options->cases, seconds, came->rows, came->skipped,
            (unsigned long long)came->cases, (unsigned long long)came->refused,
            (unsigned long long)check_counted()->calls, (unsigned long long)came->values,
            (unsigned long long)walks->functions, (unsigned long long)walks->calls,
            (unsigned long long)walks->bytes, check_deepest_stack(),
            (unsigned long long)came->faults);
    write_isas(file);
    fprintf(file, "}, \"failures\": [");
    for (uint64_t i = 0; i < came->faults && i < CHECK_KEPT_FAILURES; ++i) {
        const check_failure *failure = &came->failures[i];
        fprintf(file, "%s{\"kernel\": ", i ? ", " : "");
        write_text(file, failure->row);
        fprintf(file, ", \"case\": %d, \"fault\": ", failure->index);
        write_text(file, failure->fault);
        fprintf(file, ", \"words\": ");
        write_text(file, failure->words);
        fprintf(file, "}");
    }
    fprintf(file, "]}\n");
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int summarize(const arguments *given, double seconds) {
    const check_outcome *came = check_came_of_it();
    const check_walk_counts *walks = check_walks_counted();
    printf("check_kernels: %u rows, %llu cases, %llu calls of kernels; %llu generated walks, %llu "
           "calls; %llu values compared; deepest stack %zu bytes; %.1f s\n",
           came->rows, (unsigned long long)came->cases, (unsigned long long)check_counted()->calls,
           (unsigned long long)walks->functions, (unsigned long long)walks->calls,
           (unsigned long long)came->values, check_deepest_stack(), seconds);
    printf("check_kernels: %llu failures; --seed %llu repeats this run\n",
           (unsigned long long)came->faults, (unsigned long long)given->options.seed);
    if (given->json) {
        FILE *file = fopen(given->json, "w");
        if (!file) {
            fprintf(stderr, "check_kernels: %s cannot be written\n", given->json);
            return 2;
        }
        write_json(file, &given->options, seconds);
        fclose(file);
    }
    return came->faults > 0;
}

int main(int count, char **given) {
    arguments read;
    setvbuf(stdout, NULL, _IOLBF, 0);
    read_arguments(count, given, &read);
    if (read.lists)
        return list_rows(&read.options);
    if (read.lists_plants)
        return check_list_plants();
    check_prepare_calls();
    if (read.measures)
        return check_bench(&read.options);
    printf("check_kernels: seed %llu\n", (unsigned long long)read.options.seed);
    const double begin = seconds_now();
    if (read.plant && !check_plant_fault(read.plant, &read.options)) {
        fprintf(stderr, "check_kernels: nothing is planted under the name %s\n", read.plant);
        return 2;
    }
    check_rows(&read.options);
    if (!read.options.kernel && !read.options.isa)
        check_choices(&read.options);
    return summarize(&read, seconds_now() - begin);
}
