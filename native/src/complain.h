/* What a failing call on a builder leaves behind. */
#ifndef SB_COMPLAIN_H
#define SB_COMPLAIN_H

#include "signbin.h"

/* Records the message of a failing call and returns its status. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
sb_status sb_complain(sb_builder *builder, sb_status status, const char *format, ...);

#endif
