#include "complain.h"

#include "contents.h"

#include <stdarg.h>
#include <stdio.h>

sb_status sb_complain(sb_builder *builder, sb_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(builder->message, sizeof builder->message, format, arguments);
    va_end(arguments);
    return status;
}
