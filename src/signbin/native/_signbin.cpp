// The C ABI as Python sees it: arrays in, status out as StatusError. No logic.
#include <signbin.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;

void bind_sharing(nb::module_ &module); // sharing.cpp

namespace {

using Floats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Numbers = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Codes = nb::ndarray<const int8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Input = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using Output = nb::ndarray<float, nb::c_contig, nb::device::cpu>;
using Times = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

struct StatusError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

void check(sb_status status, const std::string &message) {
    if (status != SB_OK)
        throw StatusError(std::string(sb_status_name(status)) + ": " + message);
}

sb_floats view(const std::optional<Floats> &array) {
    return array ? sb_floats{array->data(), array->size()} : sb_floats{nullptr, 0};
}

sb_codes view(const std::optional<Codes> &array) {
    return array ? sb_codes{array->data(), array->size()} : sb_codes{nullptr, 0};
}

sb_isa resolve(const std::string &name) {
    sb_isa isa;
    check(sb_isa_resolve(name.c_str(), &isa), "isa '" + name + "'; allowed: " + sb_isa_choices());
    return isa;
}

// starts, operands, roles, segments of sb_sum_list.
struct SumList {
    Numbers starts, operands, roles, segments;
    sb_sum_list list;

    SumList(Numbers starts_, Numbers operands_, Numbers roles_, Numbers segments_)
        : starts(std::move(starts_)), operands(std::move(operands_)), roles(std::move(roles_)),
          segments(std::move(segments_)),
          list{starts.data(), operands.data(), roles.data(),       segments.data(),
               roles.size(),  operands.size(), segments.size() - 1} {
        if (starts.size() != roles.size() + 1 || segments.size() == 0)
            throw StatusError("SB_INVALID_ARGUMENT: a list of sums has one start more than "
                              "roles, and a segment's end");
    }
    SumList(const SumList &) = delete;
};

struct Weight {
    std::optional<Floats> values;
    std::optional<Codes> codes, integers;
    std::optional<Floats> scale, offset;
    std::array<int32_t, 3> tile;
    sb_walk_mode mode;
    bool generated;
    std::optional<Numbers> order;
    const SumList *sums; // kept alive by Python
    bool bit_serial;

    sb_weight_spec spec() const {
        return {view(values),
                view(codes),
                view(integers),
                view(scale),
                view(offset),
                {tile[0], tile[1], tile[2], mode, generated},
                order ? sb_order{order->data(), order->size()} : sb_order{nullptr, 0},
                sums ? &sums->list : nullptr,
                bit_serial};
    }
};

struct Epilogue {
    std::optional<uint32_t> residual;
    std::optional<Floats> bias;
    sb_activation activation;
    float slope, low, high;
    std::optional<Floats> prelu, post_bias;
    float residual_scale;

    sb_epilogue_spec spec() const {
        return {residual.value_or(SB_NO_VALUE),
                view(bias),
                activation,
                slope,
                low,
                high,
                view(prelu),
                view(post_bias),
                residual_scale};
    }
};

using Window = std::array<int32_t, 8>;
using Layout = std::array<int32_t, 10>;

sb_window_spec window_spec(const Window &w) {
    return {w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]};
}

struct FreeProgram {
    void operator()(sb_program *program) const {
        sb_program_free(program);
    }
};

class Program {
  public:
    explicit Program(sb_program *program) : program_(program) {
    }

    size_t arena_bytes(size_t batch) const {
        size_t bytes = 0;
        check(sb_program_arena_bytes(program_.get(), batch, &bytes), "size of the arena");
        return bytes;
    }

    size_t machine_code_bytes() const {
        return sb_program_machine_code_bytes(program_.get());
    }

    std::vector<std::string> step_kernels() const {
        std::vector<std::string> names;
        for (size_t i = 0; i < sb_program_step_count(program_.get()); ++i)
            names.emplace_back(sb_program_step_kernel(program_.get(), i));
        return names;
    }

    std::vector<size_t> packed_bytes() const {
        std::vector<size_t> bytes;
        for (size_t i = 0; i < sb_program_step_count(program_.get()); ++i)
            bytes.push_back(sb_program_step_packed_bytes(program_.get(), i));
        return bytes;
    }

    void run(const Input &input, const Output &output, size_t batch,
             const std::vector<std::optional<Output>> &copies,
             const std::optional<Times> &step_ns) const {
        std::vector<float *> targets(sb_program_value_count(program_.get()), nullptr);
        expect(input.size(), sb_program_input(program_.get()), batch, "input");
        expect(output.size(), sb_program_output(program_.get()), batch, "output");
        if (copies.size() > targets.size())
            throw StatusError("SB_INVALID_ARGUMENT: more copies than values");
        for (size_t i = 0; i < copies.size(); ++i)
            if (copies[i]) {
                expect(copies[i]->size(), static_cast<uint32_t>(i), batch, "copy");
                targets[i] = copies[i]->data();
            }
        if (step_ns && step_ns->size() != sb_program_step_count(program_.get()))
            throw StatusError("SB_INVALID_ARGUMENT: step_ns needs one number per step");
        double *times = step_ns ? step_ns->data() : nullptr;
        const float *source = input.data();
        float *target = output.data();
        sb_status status;
        {
            nb::gil_scoped_release unlocked;
            status = sb_program_run(program_.get(), source, target, batch, targets.data(), times);
        }
        check(status, "run of a batch of " + std::to_string(batch));
    }

  private:
    void expect(size_t size, uint32_t value, size_t batch, const char *what) const {
        size_t elements = 0;
        check(sb_program_value_elements(program_.get(), value, &elements), what);
        if (batch == 0 || size % batch || size / batch != elements)
            throw StatusError("SB_INVALID_ARGUMENT: " + std::string(what) + " of " +
                              std::to_string(size) +
                              " numbers; allowed: " + std::to_string(elements) + " per image");
    }

    std::unique_ptr<sb_program, FreeProgram> program_;
};

struct FreeBuilder {
    void operator()(sb_builder *builder) const {
        sb_builder_free(builder);
    }
};

class Builder {
  public:
    Builder(const std::string &isa, size_t arena_bytes, size_t batch_bytes, int32_t threads,
            bool generates) {
        const sb_builder_spec spec{resolve(isa), arena_bytes, batch_bytes, threads, generates};
        sb_builder *builder = nullptr;
        check(sb_builder_create(&spec, &builder),
              "builder for isa " + isa + " and " + std::to_string(threads) + " threads");
        builder_.reset(builder);
    }

    uint32_t add_value(const std::array<int32_t, 3> &shape, sb_place place, size_t offset,
                       const std::optional<Layout> &layout, float fill,
                       const std::optional<std::array<int32_t, 2>> &codes) {
        sb_value_spec spec{shape[0], shape[1], shape[2], place, offset, {}, SB_TYPE_F32, 0, 0};
        if (codes) {
            spec.type = SB_TYPE_U8;
            spec.zero = (*codes)[0];
            spec.top = (*codes)[1];
        }
        if (layout) {
            const Layout &l = *layout;
            spec.layout = {l[0], l[1], l[2], l[3], l[4], l[5], l[6], l[7], l[8], l[9], fill};
        }
        uint32_t value = SB_NO_VALUE;
        done(sb_builder_add_value(builder_.get(), &spec, &value));
        return value;
    }

    void add_conv2d(uint32_t input, uint32_t output, const Window &window, int32_t groups,
                    const Weight &weight, const Epilogue &epilogue) {
        const sb_conv2d_spec spec{input,  output,        window_spec(window),
                                  groups, weight.spec(), epilogue.spec()};
        done(sb_builder_add_conv2d(builder_.get(), &spec));
    }

    void add_linear(uint32_t input, uint32_t output, const Weight &weight,
                    const Epilogue &epilogue) {
        const sb_linear_spec spec{input, output, weight.spec(), epilogue.spec()};
        done(sb_builder_add_linear(builder_.get(), &spec));
    }

    void add_direct(const std::string &op, uint32_t input, uint32_t output, const Window &window,
                    const std::optional<Floats> &scale, const Epilogue *epilogue,
                    const std::vector<int32_t> &whole, const std::vector<float> &real) {
        const sb_epilogue_spec finish = epilogue ? epilogue->spec() : sb_epilogue_spec{};
        const sb_direct_spec spec{op.c_str(),
                                  input,
                                  output,
                                  window_spec(window),
                                  view(scale),
                                  epilogue ? &finish : nullptr,
                                  {whole.data(), whole.size()},
                                  {real.data(), real.size()}};
        done(sb_builder_add_direct(builder_.get(), &spec));
    }

    Program finish() {
        sb_program *program = nullptr;
        done(sb_builder_finish(builder_.get(), &program));
        return Program(program);
    }

  private:
    void done(sb_status status) const {
        check(status, sb_builder_message(builder_.get()));
    }

    std::unique_ptr<sb_builder, FreeBuilder> builder_;
};

nb::list kernels() {
    nb::list rows;
    for (size_t i = 0; i < sb_kernel_count(); ++i) {
        sb_kernel_info info;
        check(sb_kernel_get(i, &info), "kernel list");
        nb::dict row;
        row["name"] = info.name;
        row["activations"] = sb_type_name(info.type);
        row["strategy"] = info.strategy;
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

std::vector<std::string> direct_ops() {
    std::vector<std::string> names;
    while (const char *name = sb_direct_name(names.size()))
        names.emplace_back(name);
    return names;
}

int32_t isa_lanes(const std::string &isa, const std::string &activations) {
    for (int type = 0; type < SB_TYPE_COUNT; ++type)
        if (activations == sb_type_name(static_cast<sb_type>(type)))
            return sb_isa_lanes(resolve(isa), static_cast<sb_type>(type));
    throw StatusError("SB_INVALID_ARGUMENT: activations '" + activations + "'; allowed: f32, u8");
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

NB_MODULE(_signbin, module) {
    nb::exception<StatusError>(module, "StatusError", PyExc_RuntimeError);
    bind_sharing(module);

    module.def("version", &sb_version);
    module.def("kernels", &kernels);
    module.def("direct_ops", &direct_ops);
    module.def("cpu", &cpu);
    module.def("generates", &sb_cpu_generates);
    module.def("isa_choices", &sb_isa_choices);
    module.def("isa_lanes", &isa_lanes, "name"_a, "activations"_a = "f32");
    module.attr("MAX_THREADS") = static_cast<int>(SB_MAX_THREADS);
    module.def(
        "resolve_isa", [](const std::string &name) { return sb_isa_name(resolve(name)); },
        "name"_a);

    nb::enum_<sb_place>(module, "Place")
        .value("ARENA", SB_PLACE_ARENA)
        .value("INPUT", SB_PLACE_INPUT)
        .value("OUTPUT", SB_PLACE_OUTPUT)
        .value("BATCH", SB_PLACE_BATCH);
    nb::enum_<sb_activation>(module, "Activation")
        .value("NONE", SB_ACTIVATION_NONE)
        .value("RELU", SB_ACTIVATION_RELU)
        .value("LEAKY_RELU", SB_ACTIVATION_LEAKY_RELU)
        .value("CLAMP", SB_ACTIVATION_CLAMP);
    nb::enum_<sb_walk_mode>(module, "WalkMode")
        .value("DEFAULT", SB_WALK_DEFAULT)
        .value("ZEROS", SB_WALK_ZEROS)
        .value("TWO_GROUPS", SB_WALK_TWO_GROUPS)
        .value("TABLES", SB_WALK_TABLES);

    nb::class_<SumList>(module, "SumList")
        .def(nb::init<Numbers, Numbers, Numbers, Numbers>(), "starts"_a, "operands"_a, "roles"_a,
             "segments"_a);
    nb::class_<Weight>(module, "Weight")
        .def(
            "__init__",
            [](Weight *self, std::optional<Floats> values, std::optional<Codes> codes,
               std::optional<Codes> integers, std::optional<Floats> scale,
               std::optional<Floats> offset, std::array<int32_t, 3> tile, sb_walk_mode mode,
               const SumList *sums, bool bit_serial, std::optional<Numbers> order, bool generated) {
                new (self) Weight{std::move(values),
                                  std::move(codes),
                                  std::move(integers),
                                  std::move(scale),
                                  std::move(offset),
                                  tile,
                                  mode,
                                  generated,
                                  std::move(order),
                                  sums,
                                  bit_serial};
            },
            nb::kw_only(), "values"_a = nb::none(), "codes"_a = nb::none(),
            "integers"_a = nb::none(), "scale"_a = nb::none(), "offset"_a = nb::none(), "tile"_a,
            "mode"_a = SB_WALK_DEFAULT, "sums"_a = nb::none(), "bit_serial"_a = false,
            "order"_a = nb::none(), "generated"_a = false, nb::keep_alive<1, 9>());
    nb::class_<Epilogue>(module, "Epilogue")
        .def(
            "__init__",
            [](Epilogue *self, std::optional<uint32_t> residual, std::optional<Floats> bias,
               sb_activation activation, float slope, float low, float high,
               std::optional<Floats> prelu, std::optional<Floats> post_bias, float residual_scale) {
                new (self)
                    Epilogue{residual, std::move(bias),  activation,           slope,         low,
                             high,     std::move(prelu), std::move(post_bias), residual_scale};
            },
            nb::kw_only(), "residual"_a = nb::none(), "bias"_a = nb::none(),
            "activation"_a = SB_ACTIVATION_NONE, "slope"_a = 0.0f, "low"_a = 0.0f, "high"_a = 0.0f,
            "prelu"_a = nb::none(), "post_bias"_a = nb::none(), "residual_scale"_a = 1.0f);

    nb::class_<Builder>(module, "Builder")
        .def(nb::init<const std::string &, size_t, size_t, int32_t, bool>(), "isa"_a,
             "arena_bytes"_a, "batch_bytes"_a = 0, "threads"_a = 1, "generates"_a = false)
        .def("add_value", &Builder::add_value, "shape"_a, "place"_a, "offset"_a = 0,
             "layout"_a = nb::none(), "fill"_a = 0.0f, "codes"_a = nb::none())
        .def("add_conv2d", &Builder::add_conv2d, "input"_a, "output"_a, "window"_a, "groups"_a,
             "weight"_a, "epilogue"_a)
        .def("add_linear", &Builder::add_linear, "input"_a, "output"_a, "weight"_a, "epilogue"_a)
        .def("add_direct", &Builder::add_direct, "op"_a, "input"_a, "output"_a,
             "window"_a = Window{1, 1, 1, 1, 0, 0, 1, 1}, "scale"_a = nb::none(),
             "epilogue"_a = nb::none(), "whole"_a = std::vector<int32_t>{},
             "real"_a = std::vector<float>{})
        .def("finish", &Builder::finish);

    nb::class_<Program>(module, "Program")
        .def("arena_bytes", &Program::arena_bytes, "batch"_a)
        .def("machine_code_bytes", &Program::machine_code_bytes)
        .def("step_kernels", &Program::step_kernels)
        .def("packed_bytes", &Program::packed_bytes)
        .def("run", &Program::run, "input"_a, "output"_a.noconvert(), "batch"_a,
             "copies"_a = std::vector<std::optional<Output>>{},
             "step_ns"_a.noconvert() = nb::none());
}
