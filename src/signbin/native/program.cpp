#include "program.h"

using namespace binding;

void bind_program(nb::module_ &module) {
    nb::class_<Program>(module, "Program")
        .def("arena_bytes", &Program::arena_bytes, "batch"_a)
        .def("machine_code_bytes", &Program::machine_code_bytes)
        .def("step_kernels", &Program::step_kernels)
        .def("packed_bytes", &Program::packed_bytes)
        .def("run", &Program::run, "inputs"_a, "outputs"_a.noconvert(), "batch"_a,
             "copies"_a = std::vector<std::optional<Output>>{},
             "step_ns"_a.noconvert() = nb::none());
}
