#include "contents.h"

#include <stdlib.h>
#include <string.h>

void sb_contents_free(sb_contents *contents) {
    sb_memory_free(&contents->memory);
    sb_machine_memory_free(&contents->machine_memory);
    free(contents->values);
    free(contents->steps);
    memset(contents, 0, sizeof *contents);
}
