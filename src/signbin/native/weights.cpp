#include "weights.h"

#include <algorithm>
#include <cctype>

using namespace binding;

namespace {

// A member for every family of kernels, its name in capitals.
void bind_strategies(nb::module_ &module) {
    nb::enum_<sb_strategy> strategies(module, "Strategy");
    for (int i = 0; i < SB_STRATEGY_COUNT; ++i) {
        std::string name = sb_strategy_name(static_cast<sb_strategy>(i));
        std::transform(name.begin(), name.end(), name.begin(),
                       [](unsigned char letter) { return std::toupper(letter); });
        strategies.value(name.c_str(), static_cast<sb_strategy>(i));
    }
}

} // namespace

void bind_weights(nb::module_ &module) {
    bind_strategies(module);
    nb::enum_<sb_walk_mode>(module, "WalkMode")
        .value("DEFAULT", SB_WALK_DEFAULT)
        .value("ZEROS", SB_WALK_ZEROS)
        .value("TWO_GROUPS", SB_WALK_TWO_GROUPS);

    nb::class_<SumList>(module, "SumList")
        .def(nb::init<Numbers, Numbers, Numbers, Numbers>(), "starts"_a, "operands"_a, "roles"_a,
             "segments"_a);
    nb::class_<Weight>(module, "Weight")
        .def(
            "__init__",
            [](Weight *self, sb_strategy strategy, std::optional<Floats> values,
               std::optional<Codes> codes, std::optional<Codes> integers,
               std::optional<Floats> scale, std::optional<Floats> offset,
               std::array<int32_t, 3> tile, sb_walk_mode mode, const SumList *sums,
               std::optional<Numbers> order, bool generated, bool coded_rows) {
                new (self) Weight{strategy,
                                  std::move(values),
                                  std::move(codes),
                                  std::move(integers),
                                  std::move(scale),
                                  std::move(offset),
                                  tile,
                                  mode,
                                  generated,
                                  std::move(order),
                                  sums,
                                  coded_rows};
            },
            nb::kw_only(), "strategy"_a, "values"_a = nb::none(), "codes"_a = nb::none(),
            "integers"_a = nb::none(), "scale"_a = nb::none(), "offset"_a = nb::none(), "tile"_a,
            "mode"_a = SB_WALK_DEFAULT, "sums"_a = nb::none(), "order"_a = nb::none(),
            "generated"_a = false, "coded_rows"_a = false, nb::keep_alive<1, 10>());
}
