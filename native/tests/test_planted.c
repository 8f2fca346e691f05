/* Faults made on purpose, one where its name is asked for: the tool that looks for their kind must
 * report it. What the compiler could see through goes by way of volatile. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int test_planted(const char *name);

enum { BYTES = 40, TIMES = 8 };

static void *volatile place;
static volatile int most = INT_MAX;
static int raced;

static void read_behind(void) {
    place = malloc(BYTES);
    const volatile char *const bytes = place;
    if (bytes)
        printf("%d\n", bytes[BYTES]);
    free(place);
}

static void leak(void) {
    for (int i = 0; i < TIMES; ++i)
        place = malloc(BYTES);
    place = NULL;
}

static void overflow(void) {
    printf("%d\n", most + 1);
}

static void decide_by_a_number_nobody_set(void) {
    place = malloc(BYTES);
    const volatile char *const bytes = place;
    if (bytes && bytes[0])
        puts("it is set");
    free(place);
}

static void *add(void *unused) {
    (void)unused;
    ++raced;
    return NULL;
}

static void race(void) {
    pthread_t threads[2];
    int started = 0;
    while (started < 2 && pthread_create(&threads[started], NULL, add, NULL) == 0)
        ++started;
    while (started)
        (void)pthread_join(threads[--started], NULL);
    printf("%d\n", raced);
}

/* 0 where the fault has been made and nothing ended the process. */
int test_planted(const char *name) {
    static const struct {
        const char *name;
        void (*make)(void);
    } faults[] = {{"read-behind", read_behind},
                  {"leak", leak},
                  {"overflow", overflow},
                  {"unset", decide_by_a_number_nobody_set},
                  {"race", race}};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; ++i)
        if (!strcmp(faults[i].name, name)) {
            faults[i].make();
            return 0;
        }
    return 1;
}
