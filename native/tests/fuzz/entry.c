/* What libFuzzer calls: SB_TARGET is one of targets.h. */
#include "targets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return SB_TARGET(data, size);
}
