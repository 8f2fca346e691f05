// The library and this machine: kernels, operations, instruction sets.
#include "binding.h"

#include <cstring>
#include <vector>

namespace binding {

sb_isa resolve(const char *name) {
    sb_isa isa;
    const sb_status status = sb_isa_resolve(name, &isa);
    if (status != SB_OK)
        check(status, ("isa '" + std::string(name) + "'; allowed: " + sb_isa_choices()).c_str());
    return isa;
}

} // namespace binding

namespace {

using namespace binding;

nb::list kernels() {
    nb::list rows;
    for (size_t i = 0; i < sb_kernel_count(); ++i) {
        sb_kernel_info info;
        check(sb_kernel_get(i, &info), "kernel list");
        nb::dict row;
        row["name"] = info.name;
        row["activations"] = sb_type_name(info.type);
        row["strategy"] = sb_strategy_name(info.strategy);
        row["op"] = info.op;
        row["isa"] = sb_isa_name(info.isa);
        row["usable"] = info.usable;
        row["filters"] = info.filters;
        row["vectors"] = info.vectors;
        row["together"] = info.together;
        rows.append(row);
    }
    return rows;
}

std::vector<const char *> direct_ops() {
    std::vector<const char *> names;
    while (const char *name = sb_direct_name(names.size()))
        names.push_back(name);
    return names;
}

sb_type type_of(const char *activations) {
    for (int type = 0; type < SB_TYPE_COUNT; ++type)
        if (!strcmp(activations, sb_type_name(static_cast<sb_type>(type))))
            return static_cast<sb_type>(type);
    throw StatusError("SB_INVALID_ARGUMENT: activations '" + std::string(activations) +
                      "'; allowed: f32, u8");
}

// Whether or not this machine runs it, so that it can plan for another.
int32_t isa_lanes(const char *isa, const char *activations) {
    for (int one = 0; one < SB_ISA_COUNT; ++one)
        if (!strcmp(isa, sb_isa_name(static_cast<sb_isa>(one))))
            return sb_isa_lanes(static_cast<sb_isa>(one), type_of(activations));
    return sb_isa_lanes(resolve(isa), type_of(activations));
}

size_t type_bytes(const char *activations) {
    return sb_type_bytes(type_of(activations));
}

nb::dict cpu() {
    sb_cpu_info info;
    check(sb_cpu_get(&info), "cpu");
    nb::dict result;
    result["l1_bytes"] = info.l1_bytes;
    result["l2_bytes"] = info.l2_bytes;
    result["l3_bytes"] = info.l3_bytes;
    return result;
}

} // namespace

void bind_machine(nb::module_ &module) {
    module.def("version", &sb_version);
    module.def("kernels", &kernels);
    module.def("direct_ops", &direct_ops);
    module.def("cpu", &cpu);
    module.def("generates", &sb_cpu_generates);
    module.def("isa_choices", &sb_isa_choices);
    module.def("isa_lanes", &isa_lanes, "name"_a, "activations"_a = "f32");
    module.def("type_bytes", &type_bytes, "activations"_a);
    module.attr("MAX_THREADS") = static_cast<int>(SB_MAX_THREADS);
    module.attr("MAX_PORTS") = static_cast<int>(SB_MAX_PORTS);
    module.def(
        "resolve_isa", [](const char *name) { return sb_isa_name(resolve(name)); }, "name"_a);
}
