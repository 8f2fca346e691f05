// Sequences of Python as std::vector, and back. nanobind's own caster is noexcept: where there is
// no memory for the vector, the process ends. This one lets std::bad_alloc out, which the caller in
// Python sees as MemoryError.
#ifndef SIGNBIN_LISTS_H
#define SIGNBIN_LISTS_H

#include <utility>
#include <vector>

#include <nanobind/nanobind.h>

namespace nanobind::detail {

template <typename Item> struct type_caster<std::vector<Item>> {
    NB_TYPE_CASTER(std::vector<Item>, io_name("collections.abc.Sequence", "list") +
                                          const_name("[") + make_caster<Item>::Name +
                                          const_name("]"))

    bool from_python(handle source, uint32_t flags, cleanup_list *) {
        if (!PySequence_Check(source.ptr()) || PyUnicode_Check(source.ptr()) ||
            PyBytes_Check(source.ptr()))
            return false;
        const object items = steal(PySequence_Fast(source.ptr(), "a sequence"));
        if (!items) {
            PyErr_Clear();
            return false;
        }
        const size_t count = static_cast<size_t>(Py_SIZE(items.ptr()));
        const bool converts = flags & static_cast<uint32_t>(cast_flags::convert);
        value.clear();
        value.reserve(count);
        for (size_t i = 0; i < count; ++i) {
            Item item{};
            const handle one = PySequence_Fast_GET_ITEM(items.ptr(), static_cast<Py_ssize_t>(i));
            if (!try_cast(one, item, converts))
                return false;
            value.push_back(std::move(item));
        }
        return true;
    }

    static handle from_cpp(const std::vector<Item> &items, rv_policy policy,
                           cleanup_list *cleanup) noexcept {
        PyObject *made = PyList_New(static_cast<Py_ssize_t>(items.size()));
        for (size_t i = 0; made && i < items.size(); ++i) {
            const handle item = make_caster<Item>::from_cpp(items[i], policy, cleanup);
            if (!item.is_valid())
                Py_CLEAR(made);
            else
                PyList_SET_ITEM(made, static_cast<Py_ssize_t>(i), item.ptr());
        }
        return made;
    }
};

} // namespace nanobind::detail

#endif
