/* A finished program. */
#ifndef SB_PROGRAM_H
#define SB_PROGRAM_H

#include "contents.h"
#include "threads.h"

struct sb_program {
    sb_contents contents;
    sb_arena_pool *arenas;
    sb_team *team; /* NULL for one thread */
};

#endif
