/* Memory between pages that nobody may touch: whoever reads or writes beyond it faults, and the
 * fault is named after the memory it missed. */
#ifndef CHECK_GUARD_H
#define CHECK_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where memory lies between its guards: at its end no byte is free behind it, at its start none
 * before it. */
typedef enum check_side { CHECK_AT_END = 0, CHECK_AT_START, CHECK_SIDES } check_side;

/* pages: `room` bytes that may be touched, from `first` on; data: `bytes` of them in use. */
typedef struct check_guarded {
    const char *name;
    char *pages, *first, *data;
    size_t mapped, room, bytes;
    struct check_guarded *next, *before; /* among all there are */
} check_guarded;

/* Room for `bytes`, at a side; what was there is lost. Room is kept for the next time. Exits where
 * the system has no memory: then nothing can be checked. */
void check_guard(check_guarded *guarded, const char *name, size_t bytes, check_side side);
void check_unguard(check_guarded *guarded);

/* Whether what is guarded may be written. */
void check_allow_writes(check_guarded *guarded, bool allowed);

/* Fills all room with a byte, the unused too. */
void check_fill(check_guarded *guarded, int byte);

/* Whether the room that is not in use still holds the byte. */
bool check_untouched(const check_guarded *guarded, int byte);

/* Another name for what lies at an address, if it is guarded. */
void check_rename(const void *address, const char *name);

/* What guards an address, or NULL. */
const check_guarded *check_guarded_at(const void *address);

#endif
