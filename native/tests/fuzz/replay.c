#include "targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 20 };

static int replay_file(int (*target)(const uint8_t *, size_t), const char *path) {
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(MOST_BYTES);
    if (!file || !data)
        return 1;
    const size_t size = fread(data, 1, MOST_BYTES, file);
    uint8_t *exact = realloc(data, size ? size : 1); /* so that a read past its end is seen */
    fclose(file);
    if (!exact)
        return 1;
    fprintf(stderr, "%s\n", path);
    const int status = target(exact, size);
    free(exact);
    return status;
}

int sb_replay(const char *target, int count, char *const *paths) {
    static const struct {
        const char *name;
        int (*target)(const uint8_t *, size_t);
    } targets[] = {
        {"builder", sb_fuzz_builder}, {"executor", sb_fuzz_executor}, {"sharing", sb_fuzz_sharing}};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; ++i)
        if (!strcmp(targets[i].name, target)) {
            int failed = 0;
            for (int path = 0; path < count; ++path)
                failed |= replay_file(targets[i].target, paths[path]);
            return failed;
        }
    return 1;
}
