"""Every op computes what PyTorch computes, or its formula where PyTorch has no such op."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from signbin.errors import VerifyError
from signbin.ir import (
    OPS,
    interpret,
    pixel_ops,
    pixel_rules,
    reference,
    row_reference,
    row_rules,
    shape_rules,
)
from signbin.ir.functions import FUNCTIONS
from signbin.ir.schema import TypeRule
from signbin.spec import LowBitWeight

torch = pytest.importorskip("torch", reason="the PyTorch oracle needs torch")
torch.set_num_threads(1)
METHOD = Path(__file__).parents[2] / "docs" / "method.md"
RNG = np.random.default_rng(7)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def agree(ours, theirs, scale=1.0):
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * scale)


def run(graph_builder, op, *inputs, constants=None, **attributes):
    """One node on the given inputs; its shape is the shape rule's."""
    builder = graph_builder()
    names = [builder.input(*x.shape[1:], name=f"x{i}") for i, x in enumerate(inputs)]
    references = {name: builder.const(value, name) for name, value in (constants or {}).items()}
    result = builder.add(op, *names, **references, **attributes)
    values = interpret(builder.graph(result), dict(zip(names, inputs, strict=True)))
    assert values[result].shape[1:] == builder.type_of(result).shape[1:]
    assert values[result].dtype == np.float32
    return values[result]


PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
CONVOLUTIONS = st.fixed_dictionaries(
    {
        "kernel": st.sampled_from([(1, 1), (3, 3), (5, 5), (7, 7), (1, 3), (4, 2)]),
        "stride": PAIRS,
        "padding": st.tuples(st.integers(0, 3), st.integers(0, 3)),
        "dilation": PAIRS,
        "groups": st.integers(1, 3),
        "depth": st.integers(1, 3),
        "per_group": st.integers(1, 3),
        "extent": st.sampled_from([(1, 1), (13, 17), (4, 4), (8, 1)]),
        "images": st.integers(1, 3),
        "bias": st.booleans(),
    }
)


@settings(max_examples=80, deadline=None)
@given(case=CONVOLUTIONS)
def test_conv2d_is_torch_conv2d(graph_builder, case):
    for axis in range(2):
        reach = (case["kernel"][axis] - 1) * case["dilation"][axis] + 1
        assume(reach <= case["extent"][axis] + 2 * case["padding"][axis])
    groups, filters = case["groups"], case["groups"] * case["per_group"]
    x = normal(case["images"], groups * case["depth"], *case["extent"])
    weight = normal(filters, case["depth"], *case["kernel"])
    constants = {"weight": weight}
    if case["bias"]:
        constants["bias"] = normal(filters)
    window = {name: case[name] for name in ("stride", "padding", "dilation")}
    ours = run(graph_builder, "conv2d", x, constants=constants, groups=groups, **window)
    bias = torch.tensor(constants["bias"]) if case["bias"] else None
    theirs = torch.conv2d(torch.tensor(x), torch.tensor(weight), bias, groups=groups, **window)
    agree(ours, theirs, scale=10)
    window["padding"] = (*case["padding"], case["padding"][0] + 1, case["padding"][1] + 2)
    ours = run(graph_builder, "conv2d", x, constants=constants, groups=groups, **window)
    bordered, window["padding"] = bordered_by(x, window["padding"]), (0, 0)
    agree(ours, torch.conv2d(bordered, torch.tensor(weight), bias, groups=groups, **window), 10)


def bordered_by(x, padding, value=0.0):
    """A tensor with the border (top, left, bottom, right) around its images."""
    top, left, bottom, right = padding
    return torch.nn.functional.pad(torch.tensor(x), (left, right, top, bottom), value=value)


@pytest.mark.parametrize("op", ["conv2d", "linear"])
def test_a_low_bit_weight_computes_as_its_dequantised_tensor(graph_builder, op):
    shape = (6, 4, 3, 3) if op == "conv2d" else (6, 4)
    codes = RNG.integers(-1, 2, shape).astype(np.int8)
    weight = LowBitWeight(codes, normal(6), normal(6))
    x = normal(2, 4, 5, 5) if op == "conv2d" else normal(2, 4)
    low_bit = run(graph_builder, op, x, constants={"weight": weight})
    per_filter = (6,) + (1,) * (len(shape) - 1)
    dense = weight.scale.reshape(per_filter) * codes + weight.offset.reshape(per_filter)
    agree(low_bit, run(graph_builder, op, x, constants={"weight": dense}))


def test_linear_is_torch_linear(graph_builder):
    x, weight, bias = normal(3, 5), normal(7, 5), normal(7)
    ours = run(graph_builder, "linear", x, constants={"weight": weight, "bias": bias})
    agree(ours, torch.nn.functional.linear(*map(torch.tensor, (x, weight, bias))))


@pytest.mark.parametrize(
    ("activation", "parameters", "function"),
    [
        ("none", {}, lambda x: x),
        ("relu", {}, lambda x: np.maximum(x, 0)),
        ("leaky_relu", {"slope": -0.5}, lambda x: np.where(x > 0, x, -0.5 * x)),
        ("clamp", {"low": -0.5, "high": 0.25}, lambda x: np.clip(x, -0.5, 0.25)),
        ("clamp", {"high": 0.25}, lambda x: np.minimum(x, 0.25)),
        ("prelu", {}, lambda x: np.where(x > 0, x, np.float32([[-1], [0.5], [2]])[..., None] * x)),
    ],
)
def test_the_epilogue_is_activation_of_sum_bias_and_residual_then_post_bias(
    graph_builder, activation, parameters, function
):
    x, residual = normal(2, 4, 3, 5), normal(2, 3, 3, 5)
    constants = {"weight": normal(3, 4, 1, 1), "bias": normal(3), "post_bias": normal(3)}
    if activation == "prelu":
        constants["prelu"] = np.float32([-1, 0.5, 2])
    ours = run(
        graph_builder,
        "conv2d",
        x,
        residual,
        constants=constants,
        activation=activation,
        **parameters,
    )
    total = np.einsum("nchw,kc->nkhw", x, constants["weight"][:, :, 0, 0])
    total = total + constants["bias"][:, None, None] + residual
    agree(ours, function(total) + constants["post_bias"][:, None, None])


@pytest.mark.parametrize("extents", [(5,), (5, 3, 4)])
def test_per_channel_ops_are_torch_ops_on_features_and_images(graph_builder, extents):
    x = normal(3, *extents)
    scale, bias, mean, slope = (normal(5) for _ in range(4))
    variance = np.abs(normal(5))
    constants = {"scale": scale, "bias": bias, "mean": mean, "variance": variance}
    ours = run(graph_builder, "batch_norm", x, constants=constants, epsilon=0.001)
    tensors = map(torch.tensor, (x, mean, variance, scale, bias))
    agree(ours, torch.nn.functional.batch_norm(*tensors, eps=0.001), scale=10)
    ours = run(graph_builder, "prelu", x, constants={"slope": slope})
    agree(ours, torch.nn.functional.prelu(torch.tensor(x), torch.tensor(slope)))
    ours = run(graph_builder, "channel_bias", x, constants={"bias": bias})
    agree(ours, x + bias.reshape(5, *(1,) * (len(extents) - 1)))


def test_elementwise_ops_are_torch_ops_and_let_nan_through(graph_builder):
    x = normal(2, 3, 4, 4)
    x[0, 0, 0] = [np.nan, np.inf, -np.inf, -0.0]
    agree(run(graph_builder, "relu", x), torch.relu(torch.tensor(x)))
    ours = run(graph_builder, "leaky_relu", x, slope=0.2)
    agree(ours, torch.nn.functional.leaky_relu(torch.tensor(x), 0.2))
    ours = run(graph_builder, "clamp", x, low=-0.5, high=0.75)
    agree(ours, torch.clamp(torch.tensor(x), -0.5, 0.75))
    y = normal(2, 3, 4, 4)
    agree(run(graph_builder, "add", x, y), x + y)
    agree(run(graph_builder, "subtract", x, y), x - y)


@pytest.mark.parametrize(
    "shapes",
    [
        ((5, 3, 4), (5, 3, 4)),
        ((5, 3, 4), (5, 1, 1)),
        ((1, 3, 4), (5, 3, 4)),
        ((5, 3, 4), (1, 1, 1)),
        ((6,), (1,)),
    ],
)
def test_multiply_repeats_what_has_one_channel_or_pixel(graph_builder, shapes):
    x, y = (normal(2, *shape) for shape in shapes)
    agree(run(graph_builder, "multiply", x, y), x * y)
    agree(run(graph_builder, "multiply", y, x), x * y)


@pytest.mark.parametrize(
    "shapes", [((5, 1, 1), (1, 3, 4)), ((5, 3, 4), (5, 1, 4)), ((5, 3, 4), (5,)), ((4,), (2,))]
)
def test_multiply_of_other_shapes_is_refused(graph_builder, shapes):
    with pytest.raises(VerifyError, match="allowed: equal shapes, or one of them"):
        run(graph_builder, "multiply", *(normal(2, *shape) for shape in shapes))


@pytest.mark.parametrize("extents", [(5,), (5, 3, 4)])
def test_softmax_is_torch_softmax_over_channels(graph_builder, extents):
    x = 50 * normal(3, *extents)
    agree(run(graph_builder, "softmax", x), torch.softmax(torch.tensor(x), 1))


TORCH = {
    "abs": torch.abs,
    "binary_sign": lambda x: torch.where(x < 0, -1.0, 1.0).double(),
    "elu": torch.nn.functional.elu,
    "erf": torch.erf,
    "exp": torch.exp,
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "hard_sigmoid": torch.nn.functional.hardsigmoid,
    "hard_swish": torch.nn.functional.hardswish,
    "log": torch.log,
    "mish": torch.nn.functional.mish,
    "reciprocal": torch.reciprocal,
    "sigmoid": torch.sigmoid,
    "sign": torch.sign,
    "silu": torch.nn.functional.silu,
    "softplus": torch.nn.functional.softplus,
    "sqrt": torch.sqrt,
    "tanh": torch.tanh,
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_unary_is_the_function_of_that_name_in_float64(graph_builder, function):
    x = 4 * normal(2, 3, 40, 40)
    x[0, 0, 0, :6] = [-30, 30, -0.0, 1e-30, -1e-30, 0.5]
    theirs = TORCH[function](torch.tensor(x, dtype=torch.float64)).numpy()
    ours = run(graph_builder, "unary", x, function=function)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(ours, theirs.astype(np.float32), rtol=2e-7, atol=1e-14)
    rectified = FUNCTIONS[function].never_negative
    assert FUNCTIONS[function].formula
    assert bool(ours.min() >= 0) == rectified
    lowers = FUNCTIONS[function].negative_of_positive
    assert (run(graph_builder, "unary", np.abs(x), function=function).min() < 0) == lowers


def test_unary_takes_alpha_where_the_function_has_one(graph_builder):
    x = normal(2, 3, 4, 4)
    ours = run(graph_builder, "unary", x, function="elu", alpha=0.25)
    agree(ours, torch.nn.functional.elu(torch.tensor(x), 0.25))
    with pytest.raises(VerifyError, match="attribute alpha: got 'tanh'; allowed: only with"):
        run(graph_builder, "unary", x, function="tanh", alpha=0.25)


POOLS = st.fixed_dictionaries(
    {
        "kernel": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "stride": PAIRS,
        "half": st.tuples(st.booleans(), st.booleans()),
        "dilation": PAIRS,
        "include": st.booleans(),
    }
)


@settings(max_examples=60, deadline=None)
@given(case=POOLS)
def test_pools_are_torch_pools(graph_builder, case):
    x = -np.abs(normal(2, 3, 11, 13))
    padding = tuple(
        k // 2 if half else 0 for k, half in zip(case["kernel"], case["half"], strict=True)
    )
    window = {"kernel": case["kernel"], "stride": case["stride"], "padding": padding}
    ours = run(graph_builder, "max_pool2d", x, **window, dilation=case["dilation"])
    tensor, rest = torch.tensor(x), (case["kernel"], case["stride"], padding)
    agree(ours, torch.nn.functional.max_pool2d(tensor, *rest, dilation=case["dilation"]))
    ours = run(graph_builder, "avg_pool2d", x, **window, count_include_pad=case["include"])
    theirs = torch.nn.functional.avg_pool2d(tensor, *rest, count_include_pad=case["include"])
    agree(ours, theirs)


def test_a_pool_may_pad_one_side_alone(graph_builder):
    x = -np.abs(normal(2, 3, 10, 13))
    window = {"kernel": (3, 4), "stride": (2, 3), "padding": (0, 1, 2, 3)}
    reads = (window["kernel"], window["stride"])
    ours = run(graph_builder, "max_pool2d", x, **window)
    least = bordered_by(x, window["padding"], -np.inf)
    agree(ours, torch.nn.functional.max_pool2d(least, *reads))
    mean = torch.nn.functional.avg_pool2d(bordered_by(x, window["padding"]), *reads)
    agree(run(graph_builder, "avg_pool2d", x, **window), mean)
    inside = bordered_by(np.ones_like(x), window["padding"])
    share = torch.nn.functional.avg_pool2d(inside, *reads)
    ours = run(graph_builder, "avg_pool2d", x, **window, count_include_pad=False)
    agree(ours, mean / share)


def test_global_avg_pool_is_the_mean_of_each_channel(graph_builder):
    x = normal(2, 3, 5, 7)
    agree(run(graph_builder, "global_avg_pool", x), x.mean((2, 3), keepdims=True))


def test_flatten_numbers_features_in_nchw_order(graph_builder):
    x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    assert np.array_equal(run(graph_builder, "flatten", x), np.arange(24)[None])


def test_reshape_keeps_the_order_of_the_elements(graph_builder):
    x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    made = run(graph_builder, "reshape", x, shape=(4, 3, 2))
    assert np.array_equal(made, np.arange(24).reshape(1, 4, 3, 2))


def test_axes_change_places_end_and_repeat(graph_builder):
    x = normal(2, 3, 4, 5)
    agree(run(graph_builder, "transpose", x, order=(3, 1, 2)), x.transpose(0, 3, 1, 2))
    agree(run(graph_builder, "slice", x, axis=2, first=1, count=2, step=2), x[:, :, 1:4:2])
    agree(
        run(graph_builder, "expand", x[:, :, :1], shape=(3, 7, 5)),
        np.broadcast_to(x[:, :, :1], (2, 3, 7, 5)),
    )


@pytest.mark.parametrize(
    ("op", "stated"),
    [
        ("transpose", {"order": (1, 1, 2)}),
        ("transpose", {"order": (2, 1)}),
        ("slice", {"axis": 4, "count": 1}),
        ("slice", {"axis": 2, "first": 2, "count": 2, "step": 2}),
        ("expand", {"shape": (3, 8, 5)}),
        ("reshape", {"shape": (3, 21)}),
        ("reduce", {"function": "sum", "axis": 3, "count": 2}),
        ("softmax", {"axis": 4}),
        ("layer_norm", {"axes": 4, "epsilon": 1e-5}),
        ("take", {"axis": 4, "constants": {"indices": np.zeros(2, np.float32)}}),
        ("take", {"axis": 1, "constants": {"indices": np.float32([0, 3])}}),
        ("take", {"axis": 1, "constants": {"indices": np.float32([-1])}}),
        ("take", {"axis": 1, "constants": {"indices": np.float32([0.5])}}),
    ],
)
def test_axes_that_are_not_there_are_named(graph_builder, op, stated):
    with pytest.raises(VerifyError, match="allowed"):
        run(graph_builder, op, normal(2, 3, 4, 5), **stated)


@pytest.mark.parametrize("function", ["sum", "mean", "max", "min"])
def test_reduce_goes_through_neighbouring_axes(graph_builder, function):
    x = normal(2, 3, 4, 5)
    expected = getattr(torch.from_numpy(x), {"max": "amax", "min": "amin"}.get(function, function))
    made = run(graph_builder, "reduce", x, function=function, axis=2, count=2)
    agree(made, expected((2, 3), keepdim=True))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_softmax_goes_along_any_axis(graph_builder, axis):
    x = normal(2, 3, 4, 5)
    agree(run(graph_builder, "softmax", x, axis=axis), torch.from_numpy(x).softmax(axis))


def test_layer_norm_and_affine_work_on_the_last_axes(graph_builder):
    x, scale, bias = normal(2, 3, 4, 5), normal(4, 5), normal(4, 5)
    stated = {"constants": {"scale": scale, "bias": bias}}
    made = run(graph_builder, "layer_norm", x, axes=2, epsilon=1e-3, **stated)
    tensors = [torch.from_numpy(each) for each in (x, scale, bias)]
    agree(made, torch.nn.functional.layer_norm(tensors[0], (4, 5), *tensors[1:], 1e-3))
    agree(run(graph_builder, "affine", x, **stated), x * scale + bias)


def test_matmul_multiplies_the_last_two_axes(graph_builder):
    x, y = normal(2, 3, 4, 5), normal(2, 3, 5, 6)
    agree(run(graph_builder, "matmul", x, y), x @ y)
    with pytest.raises(VerifyError, match="inputs"):
        run(graph_builder, "matmul", x, x)


def test_constant_is_the_same_for_every_image(graph_builder):
    value = normal(4, 5)
    made = run(graph_builder, "constant", normal(3, 2), constants={"value": value})
    agree(made, np.broadcast_to(value, (3, 4, 5)))


def test_subsample_pad_is_the_option_a_shortcut(graph_builder):
    x = normal(2, 3, 5, 4)
    ours = run(graph_builder, "subsample_pad", x, channels_before=1, channels_after=2)
    padded = torch.nn.functional.pad(torch.tensor(x)[:, :, ::2, ::2], (0, 0, 0, 0, 1, 2))
    assert np.array_equal(ours, padded)
    ours = run(
        graph_builder, "subsample_pad", x, stride=(3, 1), channels_before=0, channels_after=0
    )
    assert np.array_equal(ours, x[:, :, ::3])
    channels = {"channels_before": 0, "channels_after": 1}
    ours = run(graph_builder, "subsample_pad", x, padding=(2, 0, 1, 3), **channels)
    padded = torch.nn.functional.pad(torch.tensor(x), (0, 3, 2, 1, 0, 1))
    assert np.array_equal(ours, padded[:, :, ::2, ::2])


def test_concat_puts_channels_side_by_side(graph_builder):
    builder = graph_builder()
    x, y = (builder.input(channels, 2, 3, name=name) for channels, name in ((2, "x"), (1, "y")))
    graph = builder.graph(builder.add("concat", x, y, x))
    given = {"x": normal(2, 2, 2, 3), "y": normal(2, 1, 2, 3)}
    joined = interpret(graph, given)[graph.outputs[0]]
    np.testing.assert_array_equal(joined, np.concatenate([given["x"], given["y"], given["x"]], 1))


def test_slice_channels_and_channel_shuffle_are_torchs(graph_builder):
    x = normal(2, 6, 2, 3)
    kept = run(graph_builder, "slice_channels", x, first=1, count=4)
    np.testing.assert_array_equal(kept, x[:, 1:5])
    shuffled = run(graph_builder, "channel_shuffle", x, groups=2)
    expected = torch.nn.functional.channel_shuffle(torch.tensor(x), 2)
    np.testing.assert_array_equal(shuffled, expected)


@pytest.mark.parametrize(
    ("op", "attributes", "message"),
    [
        ("slice_channels", {"first": 4, "count": 3}, "first \\+ count: got 7; allowed: <= 6"),
        ("channel_shuffle", {"groups": 4}, "groups: got 4; allowed: a divisor of 6 channels"),
    ],
)
def test_channels_that_are_not_there_are_refused(graph_builder, op, attributes, message):
    with pytest.raises(VerifyError, match=message):
        run(graph_builder, op, normal(1, 6, 2, 2), **attributes)


PADS = {
    "zeros": ((1, 2, 3, 0), "constant", None),
    "a number": ((2, 1), "constant", 1.5),
    "nothing": ((1, 1, 0, 0), "constant", float("-inf")),
    "cut": ((-2, -1, 0, -3), "constant", None),
    "moved": ((-1, 2, 1, -2), "constant", None),
    "reflect": ((3, 1, 2, 4), "reflect", None),
    "replicate": ((5, 0, 7, 2), "replicate", None),
    "circular": ((4, 5, 0, 3), "circular", None),
}


@pytest.mark.parametrize("case", PADS)
def test_pad_is_torch_pad(graph_builder, case):
    padding, mode, value = PADS[case]
    x = normal(2, 3, 4, 5)
    stated = {} if value is None else {"value": value}
    stated |= {} if mode == "constant" else {"mode": mode}
    top, left, bottom, right = padding if len(padding) == 4 else padding * 2
    ours = run(graph_builder, "pad", x, padding=padding, **stated)
    around = (left, right, top, bottom)
    theirs = torch.nn.functional.pad(torch.tensor(x), around, mode=mode, value=value)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("padding", "stated"),
    [
        ((4, 0), {"mode": "reflect"}),
        ((0, 6), {"mode": "circular"}),
        ((-1, 0), {"mode": "replicate"}),
        ((-4, 0, 9, 0), {}),
        ((-2, 0), {}),
    ],
)
def test_a_border_that_the_image_does_not_have_is_refused(graph_builder, padding, stated):
    with pytest.raises(VerifyError, match=r"padding: got .*of which some stay"):
        run(graph_builder, "pad", normal(1, 3, 4, 5), padding=padding, **stated)


def test_a_mirror_has_no_value(graph_builder):
    with pytest.raises(VerifyError, match='only with mode="constant"'):
        run(graph_builder, "pad", normal(1, 3, 4, 5), padding=(1, 1), mode="reflect", value=1.0)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_resize_nearest_is_torchs_at_any_size_and_scale(graph_builder, mode):
    resize, centred = torch.nn.functional.interpolate, mode == "nearest-exact"
    for height in range(1, 12):
        x = np.arange(2 * height * 5, dtype=np.float32).reshape(1, 2, height, 5)
        for size in [(height, 5), (2 * height, 10), *((n, 16 - n) for n in range(1, 16))]:
            ours = run(graph_builder, "resize_nearest", x, size=size, centred=centred)
            np.testing.assert_array_equal(ours, resize(torch.tensor(x), size, mode=mode))
        for scale in (0.37, 0.5, 1.0, 1.3, 2.0, 2.5, 3.0, 4.0):
            theirs = int(height * scale) and resize(torch.tensor(x), scale_factor=scale, mode=mode)
            if int(height * scale) == 0:
                continue
            scales = {"scale_height": scale, "scale_width": scale}
            size = tuple(theirs.shape[2:])
            ours = run(graph_builder, "resize_nearest", x, size=size, centred=centred, **scales)
            np.testing.assert_array_equal(ours, theirs)


def test_a_scale_that_does_not_make_the_size_is_refused(graph_builder):
    with pytest.raises(VerifyError, match=r"scale_width: got 2.0; allowed: 0, or what makes 5"):
        run(graph_builder, "resize_nearest", normal(1, 3, 4, 5), size=(4, 9), scale_width=2.0)


@pytest.mark.parametrize("aligned", [False, True])
def test_resize_linear_is_torchs_at_any_size_and_scale(graph_builder, aligned):
    resize = torch.nn.functional.interpolate
    for height in range(1, 9):
        x = normal(1, 2, height, 5)
        for size in [(height, 5), (2 * height, 10), *((n, 16 - n) for n in range(1, 16, 3))]:
            theirs = resize(torch.tensor(x), size, mode="bilinear", align_corners=aligned)
            stated = {}
            for axis, extent, made in zip(("height", "width"), (height, 5), size, strict=True):
                step = (extent - 1) / max(made - 1, 1) if aligned else extent / made
                stated[f"step_{axis}"] = step
                stated[f"first_{axis}"] = 0.0 if aligned else 0.5 * step - 0.5
            agree(run(graph_builder, "resize_linear", x, size=size, **stated), theirs)


@pytest.mark.parametrize("block", [(2, 2), (3, 3)])
def test_channels_become_pixels_as_in_torch_and_back(graph_builder, block):
    x = normal(2, 4 * block[0] * block[1], 3, 5)
    fine = run(graph_builder, "depth_to_space", x, block=block)
    np.testing.assert_array_equal(
        fine, torch.nn.functional.pixel_shuffle(torch.tensor(x), block[0])
    )
    cut = run(graph_builder, "depth_to_space", x, block=block, crop=(1, 0, 2, 1))
    np.testing.assert_array_equal(cut, fine[:, :, 1:-2, :-1])
    np.testing.assert_array_equal(run(graph_builder, "space_to_depth", fine, block=block), x)


def test_blocks_need_no_equal_sides(graph_builder):
    x = np.arange(12, dtype=np.float32).reshape(1, 6, 1, 2)
    made = run(graph_builder, "depth_to_space", x, block=(2, 3))
    expected = [[[0, 2, 4, 1, 3, 5], [6, 8, 10, 7, 9, 11]]]
    np.testing.assert_array_equal(made[0], expected)
    np.testing.assert_array_equal(run(graph_builder, "space_to_depth", made, block=(2, 3)), x)


@pytest.mark.parametrize(
    ("op", "stated"),
    [
        ("depth_to_space", {"block": (2, 2)}),
        ("depth_to_space", {"block": (3, 1), "crop": (7, 0, 5, 0)}),
        ("space_to_depth", {"block": (3, 1)}),
        ("resize_linear", {"size": (2**16, 2**16)}),
    ],
)
def test_blocks_and_sizes_that_do_not_fit_are_named(graph_builder, op, stated):
    with pytest.raises(VerifyError, match="allowed"):
        run(graph_builder, op, normal(2, 3, 4, 5), **stated)


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_take_is_numpys(graph_builder, axis):
    x, indices = normal(2, 3, 4, 5), np.float32([2, 0, 0, 1, 2])
    made = run(graph_builder, "take", x, axis=axis, constants={"indices": indices})
    np.testing.assert_array_equal(made, x.take(indices.astype(int), axis))


def test_parts_of_different_images_are_refused(graph_builder):
    builder = graph_builder()
    x, y = builder.input(2, 2, 3, name="x"), builder.input(2, 3, 3, name="y")
    with pytest.raises(VerifyError, match="but for the channels"):
        builder.add("concat", x, y)


def test_sums_accumulate_in_float64(graph_builder):
    x = np.float32([[1e8, 1.0, -1e8]])
    weight = np.ones((1, 3), np.float32)
    assert run(graph_builder, "linear", x, constants={"weight": weight}) == 1.0
    image, kernel = x.reshape(1, 3, 1, 1), weight.reshape(1, 3, 1, 1)
    assert run(graph_builder, "conv2d", image, constants={"weight": kernel}).item() == 1.0


def test_every_row_has_its_own_reference_and_documented_attributes():
    references = {
        name.rstrip("_"): getattr(module, name)
        for module in (reference, row_reference, pixel_ops)
        for name in module.__all__
        if name.islower() and not name.endswith("_codes")
    }
    rules = [
        getattr(module, rule)
        for module in (shape_rules, row_rules, pixel_rules)
        for rule in module.__all__
    ]
    assert set(OPS) == {*references, "quantize", "dequantize"}
    for name, op in OPS.items():
        assert op.name == name
        assert op.reference is references.get(name)
        assert op.shape_rule in rules
        assert op.formula
        assert (op.integer_reference is None) == (op.types is TypeRule.REAL)
        for definition in filter(None, (op.reference, op.integer_reference)):
            assert inspect.getdoc(definition)


def test_a_window_larger_than_the_padded_input_is_refused(graph_builder):
    with pytest.raises(VerifyError, match="width of the dilated kernel: got 7"):
        run(
            graph_builder,
            "conv2d",
            normal(1, 1, 4, 4),
            constants={"weight": normal(1, 1, 1, 4)},
            dilation=(1, 2),
            padding=(0, 1),
        )
