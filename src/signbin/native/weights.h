// A layer's weights on their way into a builder.
#ifndef SIGNBIN_WEIGHTS_H
#define SIGNBIN_WEIGHTS_H

#include "binding.h"

namespace binding {

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
    sb_strategy strategy;
    std::optional<Floats> values;
    std::optional<Codes> codes, integers;
    std::optional<Floats> scale, offset;
    std::array<int32_t, 3> tile;
    sb_walk_mode mode;
    bool generated;
    std::optional<Numbers> order;
    const SumList *sums; // kept alive by Python
    bool coded_rows;

    sb_weight_spec spec() const {
        return {strategy,
                view(values),
                view(codes),
                view(integers),
                view(scale),
                view(offset),
                {tile[0], tile[1], tile[2], mode, generated},
                order ? sb_order{order->data(), order->size()} : sb_order{nullptr, 0},
                sums ? &sums->list : nullptr,
                coded_rows};
    }
};

} // namespace binding

#endif
