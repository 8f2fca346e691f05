#include "signbin.h"

const char *sb_status_name(sb_status status) {
    switch (status) {
    case SB_OK:
        return "SB_OK";
    case SB_INVALID_ARGUMENT:
        return "SB_INVALID_ARGUMENT";
    case SB_UNKNOWN_ISA:
        return "SB_UNKNOWN_ISA";
    case SB_UNSUPPORTED_ISA:
        return "SB_UNSUPPORTED_ISA";
    case SB_UNSUPPORTED:
        return "SB_UNSUPPORTED";
    case SB_OVERFLOW:
        return "SB_OVERFLOW";
    case SB_OUT_OF_MEMORY:
        return "SB_OUT_OF_MEMORY";
    }
    return "SB_?";
}

const char *sb_version(void) {
    return SB_VERSION;
}
