/* What fuzzers call, and the replay of their corpus: each returns 0, or ends the process where the
 * library did what it must not. */
#ifndef SIGNBIN_FUZZ_TARGETS_H
#define SIGNBIN_FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

int sb_fuzz_builder(const uint8_t *data, size_t size);
int sb_fuzz_executor(const uint8_t *data, size_t size);
int sb_fuzz_sharing(const uint8_t *data, size_t size);

/* Runs a target on files: "builder", "executor" or "sharing". 0 where all were read. */
int sb_replay(const char *target, int count, char *const *paths);

#endif
