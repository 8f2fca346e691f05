// signbin_training.h as Python sees it: arrays of floats or of the bits of bfloat16, a row a pixel.
#include "binding.h"

#include <signbin_training.h>

#include <map>
#include <mutex>
#include <new>

namespace {

using namespace binding;

using Read = nb::ndarray<nb::ro, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Written = nb::ndarray<nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Channels = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// One team for each number of threads, kept: a training step asks for it again and again.
sb_team *team_of(int threads) {
    static std::mutex mutex;
    static std::map<int, sb_team *> teams;
    if (threads < 2)
        return nullptr;
    const std::lock_guard<std::mutex> held(mutex);
    const auto found = teams.find(threads);
    if (found != teams.end())
        return found->second;
    sb_team *team = sb_team_create(static_cast<size_t>(threads));
    if (team) // none: the caller works alone, and the next call tries again
        teams.emplace(threads, team);
    return team;
}

bool is_bfloat(const Read &x) {
    const bool halves = x.dtype() == nb::dtype<int16_t>();
    if (!halves && x.dtype() != nb::dtype<float>())
        throw std::invalid_argument("float32, or bfloat16 as int16");
    return halves;
}

template <class Array> void require_like(const Read &x, const Array &other) {
    if (other.dtype() != x.dtype() || other.shape(0) != x.shape(0) || other.shape(1) != x.shape(1))
        throw std::invalid_argument("arrays of one shape and one type");
}

template <class Array> void require_channels(const Read &x, const Array &of) {
    if (of.size() != x.shape(1))
        throw std::invalid_argument("a number for every channel");
}

void require(sb_status status) {
    if (status == SB_OUT_OF_MEMORY)
        throw std::bad_alloc();
    check(status, "normalization");
}

sb_normalization described(const Read &x, const Floats &weight, const Floats &bias, float epsilon,
                           bool rectify, int threads) {
    require_channels(x, weight);
    require_channels(x, bias);
    return {resolve("auto"), x.shape(0),    x.shape(1),  is_bfloat(x),    rectify,
            epsilon,         weight.data(), bias.data(), team_of(threads)};
}

void normalize(const Read &x, const std::optional<Read> &residual, const Floats &weight,
               const Floats &bias, float epsilon, bool rectify, int threads, const Written &y,
               const Channels &mean, const Channels &variance) {
    const sb_normalization how = described(x, weight, bias, epsilon, rectify, threads);
    require_like(x, y);
    if (residual)
        require_like(x, *residual);
    require_channels(x, mean);
    require_channels(x, variance);
    sb_status status;
    {
        nb::gil_scoped_release unlocked;
        status = sb_normalize(&how, x.data(), residual ? residual->data() : nullptr, y.data(),
                              mean.data(), variance.data());
    }
    require(status);
}

void normalize_backward(const Read &x, const Read &y, const Floats &mean, const Floats &variance,
                        const Floats &weight, float epsilon, bool rectify, int threads,
                        const Read &gradient, const Written &input_gradient,
                        const std::optional<Written> &residual_gradient,
                        const Channels &weight_gradient, const Channels &bias_gradient) {
    const sb_normalization how = described(x, weight, weight, epsilon, rectify, threads);
    require_like(x, y);
    require_like(x, gradient);
    require_like(x, input_gradient);
    if (residual_gradient)
        require_like(x, *residual_gradient);
    require_channels(x, mean);
    require_channels(x, variance);
    require_channels(x, weight_gradient);
    require_channels(x, bias_gradient);
    const sb_normalized forward{x.data(), y.data(), mean.data(), variance.data()};
    sb_status status;
    {
        nb::gil_scoped_release unlocked;
        status = sb_normalize_backward(&how, &forward, gradient.data(), input_gradient.data(),
                                       residual_gradient ? residual_gradient->data() : nullptr,
                                       weight_gradient.data(), bias_gradient.data());
    }
    require(status);
}

} // namespace

void bind_training(nb::module_ &module) {
    module.def("normalize", &normalize, "x"_a, "residual"_a.none(), "weight"_a, "bias"_a,
               "epsilon"_a, "rectify"_a, "threads"_a, "y"_a, "mean"_a, "variance"_a);
    module.def("normalize_backward", &normalize_backward, "x"_a, "y"_a, "mean"_a, "variance"_a,
               "weight"_a, "epsilon"_a, "rectify"_a, "threads"_a, "gradient"_a, "input_gradient"_a,
               "residual_gradient"_a.none(), "weight_gradient"_a, "bias_gradient"_a);
}
