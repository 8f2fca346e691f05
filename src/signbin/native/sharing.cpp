// signbin_sharing.h as Python sees it: bit rows in, a list of sums out.
#include "binding.h"

#include <signbin_sharing.h>

#include <memory>
#include <new>

namespace {

using namespace binding;

using Rows = nb::ndarray<const uint64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Counts = nb::ndarray<int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Numbers = nb::ndarray<nb::numpy, const int32_t, nb::ndim<1>>;

struct FreeSharing {
    void operator()(sb_sharing *sharing) const noexcept {
        sb_sharing_free(sharing);
    }
};

// No memory is MemoryError, which is nobody's fault; the rest has been checked.
void require(sb_status status) {
    if (status == SB_OUT_OF_MEMORY)
        throw std::bad_alloc();
    check(status, "sharing of sums");
}

nb::tuple share(const Rows &plus, const std::optional<Rows> &minus, int32_t targets, bool leaves,
                int32_t budget) {
    const size_t words = (static_cast<size_t>(targets > 0 ? targets : 0) + 63) / 64;
    const bool fits = plus.shape(1) == words && plus.shape(0) <= SB_MAX_SHARED;
    if (!fits || (minus && (minus->shape(0) != plus.shape(0) || minus->shape(1) != words)))
        throw std::invalid_argument("rows of ceil(targets / 64) words, as many plus as minus");
    const sb_sharing_spec spec{static_cast<int32_t>(plus.shape(0)), targets, plus.data(),
                               minus ? minus->data() : nullptr,     leaves,  budget};
    sb_sharing *found = nullptr;
    sb_status status;
    {
        nb::gil_scoped_release unlocked;
        status = sb_sharing_create(&spec, &found);
    }
    std::unique_ptr<sb_sharing, FreeSharing> held(found);
    require(status);
    const size_t nodes = found->nodes, temporaries = found->temporaries;
    const size_t count = static_cast<size_t>(found->starts[nodes]);
    const int32_t *starts = found->starts, *operands = found->operands;
    nb::capsule owner(found,
                      [](void *p) noexcept { sb_sharing_free(static_cast<sb_sharing *>(p)); });
    held.release();
    return nb::make_tuple(Numbers(starts, {nodes + 1}, owner), Numbers(operands, {count}, owner),
                          temporaries);
}

void count_common(const Rows &some, const Rows &others, const Counts &counts) {
    const bool fits = some.shape(0) <= SB_MAX_SHARED && others.shape(0) <= SB_MAX_SHARED &&
                      some.shape(1) <= SB_MAX_SHARED && some.shape(1) == others.shape(1);
    if (!fits || counts.shape(0) != some.shape(0) || counts.shape(1) != others.shape(0))
        throw std::invalid_argument("rows of as many words, a count for each two of them");
    const auto rows_of = [](const Rows &rows) {
        return sb_rows{static_cast<int32_t>(rows.shape(0)), static_cast<int32_t>(rows.shape(1)),
                       rows.data()};
    };
    const sb_rows a = rows_of(some), b = rows_of(others);
    sb_status status;
    {
        nb::gil_scoped_release unlocked;
        status = sb_common_counts(&a, &b, counts.data());
    }
    require(status);
}

} // namespace

void bind_sharing(nb::module_ &module) {
    module.def("share_sums", &share, "plus"_a, "minus"_a.none(), "targets"_a, "leaves"_a,
               "budget"_a);
    module.def("count_common", &count_common, "some"_a, "others"_a, "counts"_a);
}
