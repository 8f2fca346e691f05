#include "weights.h"

using namespace binding;

void bind_weights(nb::module_ &module) {
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
}
