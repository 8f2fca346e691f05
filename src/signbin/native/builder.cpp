// Builders of programs: values, then steps.
#include "program.h"
#include "weights.h"

namespace {

using namespace binding;

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

using Window = std::array<int32_t, 10>;
using Layout = std::array<int32_t, 10>;

sb_window_spec window_spec(const Window &w) {
    return {w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9]};
}

struct FreeBuilder {
    void operator()(sb_builder *builder) const {
        sb_builder_free(builder);
    }
};

class Builder {
  public:
    Builder(const char *isa, size_t arena_bytes, size_t batch_bytes, int32_t threads,
            bool generates) {
        const sb_builder_spec spec{resolve(isa), arena_bytes, batch_bytes, threads, generates};
        sb_builder *builder = nullptr;
        const sb_status status = sb_builder_create(&spec, &builder);
        builder_.reset(builder);
        if (status != SB_OK)
            check(status, ("builder for isa " + std::string(isa) + " and " +
                           std::to_string(threads) + " threads")
                              .c_str());
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

    void add_linear(uint32_t input, uint32_t output, const Weight &weight, const Epilogue &epilogue,
                    int32_t rows, bool whole_batch) {
        const sb_linear_spec spec{input, output, rows, whole_batch, weight.spec(), epilogue.spec()};
        done(sb_builder_add_linear(builder_.get(), &spec));
    }

    void add_direct(const char *op, uint32_t input, uint32_t output, const Window &window,
                    const std::optional<Floats> &scale, const Epilogue *epilogue,
                    const std::vector<int32_t> &whole, const std::vector<float> &real,
                    const std::optional<Floats> &table, const std::vector<uint32_t> &more) {
        const sb_epilogue_spec finish = epilogue ? epilogue->spec() : sb_epilogue_spec{};
        const sb_direct_spec spec{op,
                                  input,
                                  output,
                                  window_spec(window),
                                  view(scale),
                                  epilogue ? &finish : nullptr,
                                  {whole.data(), whole.size()},
                                  {real.data(), real.size()},
                                  view(table),
                                  more.data(),
                                  more.size()};
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

} // namespace

void bind_builder(nb::module_ &module) {
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
        .def(nb::init<const char *, size_t, size_t, int32_t, bool>(), "isa"_a, "arena_bytes"_a,
             "batch_bytes"_a = 0, "threads"_a = 1, "generates"_a = false)
        .def("add_value", &Builder::add_value, "shape"_a, "place"_a, "offset"_a = 0,
             "layout"_a = nb::none(), "fill"_a = 0.0f, "codes"_a = nb::none())
        .def("add_conv2d", &Builder::add_conv2d, "input"_a, "output"_a, "window"_a, "groups"_a,
             "weight"_a, "epilogue"_a)
        .def("add_linear", &Builder::add_linear, "input"_a, "output"_a, "weight"_a, "epilogue"_a,
             "rows"_a = 1, "whole_batch"_a = true)
        .def("add_direct", &Builder::add_direct, "op"_a, "input"_a, "output"_a,
             "window"_a = Window{1, 1, 1, 1, 0, 0, 0, 0, 1, 1}, "scale"_a = nb::none(),
             "epilogue"_a = nb::none(), "whole"_a = std::vector<int32_t>{},
             "real"_a = std::vector<float>{}, "table"_a = nb::none(),
             "more"_a = std::vector<uint32_t>{})
        .def("finish", &Builder::finish);
}
