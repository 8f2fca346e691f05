/* Programs of every kind of step that has one, decided by chance.h. */
#ifndef SIGNBIN_HOSTILE_H
#define SIGNBIN_HOSTILE_H

#include <signbin.h>

enum { SB_HOSTILE_EXTENT = 16 }; /* most rows and columns that one may begin with */

/* input -> codes or not -> a few steps -> back to float32 -> output. With a chance of one in `odds`
 * each number of it is one that nobody expects. extent: most rows and columns it begins with.
 * threads: 0 for any. */
sb_status sb_hostile_program(int odds, int32_t extent, int32_t threads, sb_program **program);

#endif
