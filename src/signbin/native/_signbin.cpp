// The C ABI as Python sees it: arrays in, status out as StatusError. No logic.
#include "binding.h"

NB_MODULE(_signbin, module) {
    nb::exception<binding::StatusError>(module, "StatusError", PyExc_RuntimeError);
    bind_machine(module);
    bind_weights(module);
    bind_program(module);
    bind_builder(module);
    bind_sharing(module);
    bind_training(module);
}
