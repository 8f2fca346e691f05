// What the parts of the extension share: arrays of numpy, and a status that is not SB_OK as
// StatusError.
#ifndef SIGNBIN_BINDING_H
#define SIGNBIN_BINDING_H

#include <signbin.h>

#include <optional>
#include <stdexcept>
#include <string>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "lists.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace binding {

using Floats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Numbers = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Codes = nb::ndarray<const int8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Input = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using Output = nb::ndarray<float, nb::c_contig, nb::device::cpu>;
using Times = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

struct StatusError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Words are made only where they are needed: what has been done is not undone for want of memory.
inline void check(sb_status status, const char *message) {
    if (status != SB_OK)
        throw StatusError(std::string(sb_status_name(status)) + ": " + message);
}

inline sb_floats view(const std::optional<Floats> &array) {
    return array ? sb_floats{array->data(), array->size()} : sb_floats{nullptr, 0};
}

inline sb_codes view(const std::optional<Codes> &array) {
    return array ? sb_codes{array->data(), array->size()} : sb_codes{nullptr, 0};
}

sb_isa resolve(const char *name);

} // namespace binding

// Every part adds its own to the module.
void bind_machine(nb::module_ &module);
void bind_weights(nb::module_ &module);
void bind_program(nb::module_ &module);
void bind_builder(nb::module_ &module);
void bind_sharing(nb::module_ &module);
void bind_training(nb::module_ &module);

#endif
