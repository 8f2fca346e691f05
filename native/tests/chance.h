/* Numbers that decide what is tried: of a generator, or of somebody's bytes. */
#ifndef SIGNBIN_CHANCE_H
#define SIGNBIN_CHANCE_H

#include <stddef.h>
#include <stdint.h>

/* The generator's, from a seed. */
void sb_chance_of_seed(uint32_t seed);

/* The bytes' as long as there are any, one for a choice among at most 256; then the generator's,
 * from a seed that they make. */
void sb_chance_of_bytes(const uint8_t *bytes, size_t size);

/* low..high, both of them too. */
int32_t sb_chance(int32_t low, int32_t high);

#endif
