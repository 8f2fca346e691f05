"""u8 values: types, exact arithmetic against a slow oracle, and the numbers they stand for."""

import dataclasses
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.errors import VerifyError
from signbin.ir import (
    OPS,
    ConstRef,
    Graph,
    Node,
    TensorType,
    Value,
    interpret,
    parse_graph,
    print_graph,
    requantization,
    resolve,
    verify,
)
from signbin.ir.schema import TypeRule
from signbin.spec import ActivationSpec, IntegerWeight, LowBitWeight

SEEDS = st.integers(0, 2**32 - 1)
F32 = np.float32
UNSIGNED, SIGNED = ActivationSpec(0.5, 0, 8), ActivationSpec(0.25, 128, 8)
REAL = TensorType("f32", (0, 4, 5, 5))
CODES = TensorType("u8", (0, 4, 5, 5), UNSIGNED)


@settings(max_examples=60)
@given(seed=SEEDS)
def test_random_quantized_networks_verify_and_read_back_exactly(random_quantized_network, seed):
    graph = random_quantized_network(seed)
    verify(graph)
    again = parse_graph(print_graph(graph), graph.constants)
    assert [node.type for node in again.nodes] == [node.type for node in graph.nodes]
    assert print_graph(again) == print_graph(graph)


@settings(max_examples=50)
@given(seed=SEEDS)
def test_the_interpreter_agrees_with_whole_numbers_and_single_operations(
    random_quantized_network, random_inputs, seed
):
    graph = random_quantized_network(seed)
    values = interpret(graph, random_inputs(graph, images=2, seed=seed % 7))
    for node in graph.nodes:
        expected = slow_node(graph, node, [values[name] for name in node.inputs])
        assert values[node.name].dtype == (np.uint8 if node.type.dtype == "u8" else np.float32)
        np.testing.assert_array_equal(values[node.name], expected, err_msg=node.op)


@settings(max_examples=30)
@given(seed=SEEDS)
def test_codes_stand_for_the_numbers_of_the_float_op_within_half_a_step(
    random_quantized_network, random_inputs, seed
):
    """Each u8 node against the float definition of its op on the numbers its operands stand for."""
    graph = random_quantized_network(seed)
    values = interpret(graph, random_inputs(graph, images=2))
    for node in graph.nodes:
        spec = node.type.quantization
        if spec is None or node.op == "quantize":
            continue
        operands = {}
        for name in node.inputs:
            operands[name] = graph.type_of(name).quantization.dequantized(values[name])
        exact = float_value(graph, node, operands)
        low, high = -spec.zero_point * spec.scale, (spec.top - spec.zero_point) * spec.scale
        error = np.abs(spec.dequantized(values[node.name]) - np.clip(exact, low, high))
        # Half a step; beyond it float32 rounding of up to ten operations on the largest number, and
        # shares of 2048ths, each of both at most 2^-12 of 255 steps away.
        step = (0.5 + 2**-3 * (node.op == "resize_linear")) * spec.scale
        largest = max(np.abs(exact).max(initial=0), *(np.abs(x).max() for x in operands.values()))
        assert error.max() <= step + 1e-5 * (1 + largest), node.op


def float_value(graph, node, operands):
    """The op's f32 reference on given operands; codes-keeping maxima pad with the lowest code."""
    inputs = tuple(
        Value(name, TensorType("f32", graph.type_of(name).shape)) for name in dict(operands)
    )
    real = {}
    for name in node.constant_names():
        constant = graph.constants[name]
        real[name] = constant if isinstance(constant, np.ndarray) else constant.dequantized()
    single = dataclasses.replace(node, type=TensorType("f32", node.type.shape))
    return interpret(Graph("one", inputs, (single,), (node.name,), real), operands)[node.name]


def slow_node(graph, node, operands):
    """One node by its definition in docs/method.md: Python integers and float32 scalars."""
    if node.op == "quantize":
        return slow_quantize(operands[0], node.type.quantization)
    spec = graph.type_of(node.inputs[0]).quantization
    if spec is None:
        return interpret_single(graph, node, operands)
    steps = operands[0].astype(np.int64) - spec.zero_point
    if OPS[node.op].types is TypeRule.KEPT:
        return slow_kept(graph, node, operands[0], spec)
    if node.op == "concat":
        return slow_concat(graph, node, operands)
    attributes = resolve(node)
    if node.op == "multiply":
        second = graph.type_of(node.inputs[1]).quantization
        steps, operands = steps * (operands[1].astype(np.int64) - second.zero_point), operands[:1]
    elif node.op == "subtract":
        operands = operands[::-1]
        steps = operands[0].astype(np.int64) - graph.type_of(node.inputs[1]).quantization.zero_point
    if node.op == "unary":
        return slow_function(node, attributes, steps * spec.scale)
    sums, totals = slow_sums(graph, node, attributes, steps)
    result = np.empty(sums.shape, np.uint8 if node.type.dtype == "u8" else np.float32)
    constants = slow_constants(graph, node, attributes)
    for place in np.ndindex(sums.shape):
        f = F32(sums[place])
        if node.op in ("avg_pool2d", "global_avg_pool"):
            f = f / F32(totals[place])
            total = None
        else:
            total = None if totals is None else int(totals[place])
        residual = int(operands[1][place]) if len(operands) > 1 else None
        filter_ = place[-1] if node.op == "linear" else place[1]
        result[place] = slow_chain(constants, filter_, f, total, residual)
    return result


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


SLOW_FUNCTIONS = {
    "abs": lambda x, _: abs(x),
    "binary_sign": lambda x, _: -1 if x < 0 else 1,
    "elu": lambda x, alpha: x if x > 0 else alpha * math.expm1(x),
    "gelu": lambda x, _: 0.5 * x * math.erfc(-x * math.sqrt(0.5)),
    "gelu_tanh": lambda x, _: x * sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x**3)),
    "hard_sigmoid": lambda x, _: min(max(x + 3, 0), 6) / 6,
    "hard_swish": lambda x, _: x * (min(max(x + 3, 0), 6) / 6),
    "mish": lambda x, _: x * math.tanh(math.log1p(math.exp(min(x, 700)))),
    "sigmoid": lambda x, _: sigmoid(x),
    "sign": lambda x, _: (x > 0) - (x < 0),
    "silu": lambda x, _: x * sigmoid(x),
    "softplus": lambda x, _: max(x, 0) + math.log1p(math.exp(-abs(x))),
    "tanh": lambda x, _: math.tanh(x),
}


def slow_function(node, attributes, numbers):
    """f = fl(function(number) / unit) of every number, then its code; numbers within +-700."""
    spec = node.type.quantization
    unit = spec.scale if spec else 1.0
    result = np.empty(numbers.shape, np.uint8 if spec else np.float32)
    function = SLOW_FUNCTIONS[attributes["function"]]
    for place in np.ndindex(numbers.shape):
        f = F32(function(float(np.clip(numbers[place], -700, 700)), attributes["alpha"]) / unit)
        result[place] = slow_code(f, spec) if spec else f
    return result


def interpret_single(graph, node, operands):
    values = dict(zip(node.inputs, operands, strict=True))
    inputs = tuple(Value(name, graph.type_of(name)) for name in values)
    constants = {name: graph.constants[name] for name in node.constant_names()}
    return interpret(Graph("one", inputs, (node,), (node.name,), constants), values)[node.name]


def slow_quantize(x, spec):
    inverse = F32(1.0 / spec.scale)
    codes = np.empty(x.shape, np.uint8)
    for place in np.ndindex(x.shape):
        codes[place] = slow_code(x[place] * inverse, spec)
    return codes


def slow_code(f, spec):
    low, high = F32(-spec.zero_point), F32(spec.top - spec.zero_point)
    f = f if f > low else low
    f = f if f < high else high
    return round(float(f)) + spec.zero_point  # Python rounds half to even


def slow_concat(graph, node, operands):
    """Channel by channel: the part it is of, and that part's own factor."""
    result = np.empty((len(operands[0]), *node.type.shape[1:]), np.uint8)
    channel = 0
    for name, codes in zip(node.inputs, operands, strict=True):
        given, made = graph.type_of(name).quantization, node.type.quantization
        factor = F32(np.float64(given.scale) / np.float64(made.scale))
        for part in range(codes.shape[1]):
            for n, y, x in np.ndindex(len(codes), *codes.shape[2:]):
                step = F32(int(codes[n, part, y, x]) - given.zero_point)
                result[n, channel, y, x] = slow_code(step * factor, made)
            channel += 1
    return result


def slow_axes(op, attributes, codes, shape):
    result = np.empty((len(codes), *shape[1:]), np.uint8)
    for place in np.ndindex(result.shape):
        source = list(place)
        if op == "transpose":
            for axis, given in enumerate(attributes["order"], start=1):
                source[given] = place[axis]
        elif op == "slice":
            axis = attributes["axis"]
            source[axis] = attributes["first"] + place[axis] * attributes["step"]
        else:
            source = [min(at, extent - 1) for at, extent in zip(place, codes.shape, strict=True)]
        result[place] = codes[tuple(source)]
    return result


def slow_kept(graph, node, codes, spec):  # noqa: PLR0911 - one for every op
    attributes = resolve(node)
    if node.op == "take":
        places = graph.array(attributes["indices"]).astype(int)
        return codes.take(places, attributes["axis"])
    if node.op in ("pad", "resize_nearest"):
        return slow_moved(node, codes, spec)
    if node.op == "slice_channels":
        first = attributes["first"]
        return np.stack([codes[:, first + c] for c in range(attributes["count"])], axis=1)
    if node.op == "channel_shuffle":
        groups = attributes["groups"]
        of_group = codes.shape[1] // groups
        order = [g * of_group + c for c in range(of_group) for g in range(groups)]
        return codes[:, order]
    if node.op in ("flatten", "reshape"):
        return codes.reshape(len(codes), *node.type.shape[1:])
    if node.op in ("transpose", "slice", "expand"):
        return slow_axes(node.op, attributes, codes, node.type.shape)
    if node.op in ("depth_to_space", "space_to_depth"):
        return slow_blocks(node, codes)
    if node.op == "resize_linear":
        return slow_between(node, codes)
    if node.op == "subsample_pad":
        result = np.full((len(codes), *node.type.shape[1:]), spec.zero_point, np.uint8)
        vertical, horizontal = attributes["stride"]
        before = attributes["channels_before"]
        for n, c, p, q in np.ndindex(len(codes), codes.shape[1], *result.shape[2:]):
            y, x = (
                p * vertical - attributes["padding"][0],
                q * horizontal - attributes["padding"][1],
            )
            if 0 <= y < codes.shape[2] and 0 <= x < codes.shape[3]:
                result[n, before + c, p, q] = codes[n, c, y, x]
        return result
    result = np.zeros((len(codes), *node.type.shape[1:]), np.uint8)
    for place in np.ndindex(result.shape):
        inside = list(window(attributes, attributes["kernel"], place, codes.shape))
        result[place] = max((int(codes[(*place[:2], y, x)]) for _, _, y, x in inside), default=0)
    return result


def slow_moved(node, codes, spec):
    """Pixel by pixel: the pixel of the image it repeats, or the code of the border's number."""
    attributes, extents = resolve(node), codes.shape[2:]
    result = np.empty((len(codes), *node.type.shape[1:]), np.uint8)
    for place in np.ndindex(result.shape):
        source = []
        for axis in range(2):
            if node.op == "pad":
                at = place[2 + axis] - attributes["padding"][axis]
                source.append(slow_border(attributes["mode"], at, extents[axis]))
            else:
                scale = attributes[("scale_height", "scale_width")[axis]]
                step = F32(1 / scale) if scale else F32(extents[axis]) / F32(result.shape[2 + axis])
                at = F32(place[2 + axis]) + F32(0.5 if attributes["centred"] else 0.0)
                source.append(min(math.floor(at * step), extents[axis] - 1))
        if None in source:
            result[place] = slow_code(F32(attributes["value"]) * F32(1.0 / spec.scale), spec)
        else:
            result[place] = codes[(*place[:2], *source)]
    return result


def slow_blocks(node, codes):
    """Pixel by pixel of the finer image: which channel of which block it is."""
    attributes = resolve(node)
    down, across = attributes["block"]
    spread = node.op == "depth_to_space"
    result = np.empty((len(codes), *node.type.shape[1:]), np.uint8)
    top, left = attributes["crop"][:2] if spread else (0, 0)
    fine = result.shape if spread else codes.shape
    for n, c, y, x in np.ndindex(fine):
        row, column = y + top, x + left
        channel = (c * down + row % down) * across + column % across
        coarse = (n, channel, row // down, column // across)
        if spread:
            result[n, c, y, x] = codes[coarse]
        else:
            result[coarse] = codes[n, c, y, x]
    return result


def slow_between(node, codes):
    """Pixel by pixel in Python integers: four codes by their shares, rounded half up."""
    attributes = resolve(node)
    result = np.empty((len(codes), *node.type.shape[1:]), np.uint8)
    for place in np.ndindex(result.shape):
        around = []
        for axis, name in enumerate(("height", "width")):
            last = codes.shape[2 + axis] - 1
            at = attributes[f"first_{name}"] + place[2 + axis] * attributes[f"step_{name}"]
            at = min(max(at, 0), last)
            share = round((at - math.floor(at)) * 2048)
            around.append([(math.floor(at), 2048 - share), (min(math.floor(at) + 1, last), share)])
        total = sum(
            int(codes[(*place[:2], y, x)]) * down * across
            for y, down in around[0]
            for x, across in around[1]
        )
        result[place] = (total + 2**21) // 2**22
    return result


def slow_border(mode, at, extent):
    if 0 <= at < extent:
        return at
    mirrored = -at if at < 0 else 2 * (extent - 1) - at
    edge = 0 if at < 0 else extent - 1
    other = at + extent if at < 0 else at - extent
    return {"constant": None, "reflect": mirrored, "replicate": edge, "circular": other}[mode]


def window(attributes, kernel, place, shape):
    """(r, s, y, x) of the taps of output pixel ``place`` that lie inside the image."""
    dilation = attributes.get("dilation", (1, 1))
    for r in range(kernel[0]):
        for s in range(kernel[1]):
            y = place[2] * attributes["stride"][0] - attributes["padding"][0] + r * dilation[0]
            x = place[3] * attributes["stride"][1] - attributes["padding"][1] + s * dilation[1]
            if 0 <= y < shape[2] and 0 <= x < shape[3]:
                yield r, s, y, x


def slow_sums(graph, node, attributes, steps):
    """A for every output, and T (or, for averages, the taps)."""
    if node.op == "global_avg_pool":
        sums = steps.sum(axis=(2, 3), keepdims=True)
        return sums, np.full(sums.shape, steps.shape[2] * steps.shape[3])
    if node.op not in ("conv2d", "linear", "avg_pool2d"):
        return steps, None
    shape = (len(steps), *node.type.shape[1:])
    sums, totals = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    if node.op == "avg_pool2d":
        for place in np.ndindex(shape):
            taps = list(window(attributes, attributes["kernel"], place, steps.shape))
            sums[place] = sum(steps[(*place[:2], y, x)] for _, _, y, x in taps)
            everything = math.prod(attributes["kernel"])
            totals[place] = everything if attributes["count_include_pad"] else len(taps)
        return sums, totals
    codes = graph.constants[attributes["weight"].name].codes.astype(np.int64)
    if node.op == "linear":
        return steps @ codes.T, np.repeat(steps.sum(axis=-1, keepdims=True), len(codes), axis=-1)
    per_group = len(codes) // attributes["groups"]
    for n, k, p, q in np.ndindex(shape):
        first = k // per_group * codes.shape[1]
        for r, s, y, x in window(attributes, codes.shape[2:], (n, k, p, q), steps.shape):
            seen = steps[n, first : first + codes.shape[1], y, x]
            sums[n, k, p, q] += seen @ codes[k, :, r, s]
            totals[n, k, p, q] += seen.sum()
    return sums, totals


def slow_constants(graph, node, attributes):
    """Every factor of the chain as docs/method.md writes it, one dictionary."""
    spec_in, spec_out = graph.type_of(node.inputs[0]).quantization, node.type.quantization
    unit = np.float64(spec_out.scale if spec_out else 1.0)
    channels = node.type.shape[-1 if node.op == "linear" else 1]
    factor = np.float64(spec_in.scale)
    if len(node.inputs) > 1:
        residual = graph.type_of(node.inputs[1]).quantization
        if node.op == "multiply":
            factor = factor * residual.scale
        elif node.op == "subtract":
            factor, residual = -np.float64(residual.scale), spec_in
    weight = graph.constants[attributes["weight"].name] if "weight" in attributes else None
    scale = np.ones(channels) if weight is None else weight.scale.astype(np.float64)
    made = {"out": spec_out, "m": (factor * scale / unit).astype(F32)}
    offset = getattr(weight, "offset", None)
    if offset is not None:
        made["o"] = (np.float64(spec_in.scale) * offset.astype(np.float64) / unit).astype(F32)
    for name in ("bias", "post_bias"):
        if attributes.get(name) is not None:
            made[name] = (graph.array(attributes[name]).astype(np.float64) / unit).astype(F32)
    if len(node.inputs) > 1:
        made["m_r"], made["zp_r"] = F32(residual.scale / unit), residual.zero_point
    made["activation"] = kind = attributes.get("activation", node.op)
    if kind == "prelu":
        made["slope"] = graph.array(attributes.get("prelu", attributes.get("slope")))
    elif kind == "leaky_relu":
        made["slope"] = np.full(channels, attributes["slope"], F32)
    elif kind == "clamp":
        made["low"], made["high"] = F32(attributes["low"] / unit), F32(attributes["high"] / unit)
    return made


def slow_chain(constants, k, f, total, residual):
    f = f * constants["m"][k]
    if "bias" in constants:
        f = f + constants["bias"][k]
    if "o" in constants:
        f = f + constants["o"][k] * F32(total)
    if residual is not None:
        f = f + constants["m_r"] * F32(residual - constants["zp_r"])
    if constants["activation"] == "relu":
        f = F32(0) if f < 0 else f
    elif constants["activation"] in ("prelu", "leaky_relu"):
        f = f if f > 0 else constants["slope"][k] * f
    elif constants["activation"] == "clamp":
        f = constants["low"] if f < constants["low"] else f
        f = constants["high"] if f > constants["high"] else f
    if "post_bias" in constants:
        f = f + constants["post_bias"][k]
    assert isinstance(f, np.float32)
    return f if constants["out"] is None else slow_code(f, constants["out"])


def test_random_networks_of_codes_have_every_op_that_works_on_them(random_quantized_network):
    seen = {node.op for seed in range(200) for node in random_quantized_network(seed).nodes}
    assert seen == {op.name for op in OPS.values() if op.integer_reference is not None}


LOW_BIT = LowBitWeight(np.ones((4, 4, 1, 1), np.int8), np.ones(4, F32))
INTEGER = IntegerWeight(np.full((4, 4, 1, 1), 63, np.int8), np.ones(4, F32))
FLOAT = np.ones((4, 4, 1, 1), F32)


def quantized(op, type_=CODES, inputs=("q",), constants=None, given=CODES, **attributes):
    """quantize, one node under test, dequantize where it left codes."""
    nodes = [
        Node("q", "quantize", ("x",), {}, given),
        Node("y", op, inputs, attributes, type_),
    ]
    if type_.dtype == "u8":
        nodes.append(Node("z", "dequantize", ("y",), {}, TensorType("f32", type_.shape)))
    value = Value("x", TensorType("f32", given.shape))
    return Graph("g", (value,), tuple(nodes), (nodes[-1].name,), constants or {})


def layer(weight, **changes):
    return quantized("conv2d", weight=ConstRef("w"), constants={"w": weight}, **changes)


def with_spec(type_, spec):
    return dataclasses.replace(type_, quantization=spec)


def with_shape(type_, shape):
    return dataclasses.replace(type_, shape=shape)


OTHER = with_spec(CODES, SIGNED)
WIDE = TensorType("u8", (0, 140_000), UNSIGNED)
HUGE_POOL = TensorType("u8", (0, 1, 2**12, 2**12), UNSIGNED)

BROKEN = {
    "u8 without scale": (quantized("relu", with_spec(CODES, None)), "quantization of node %y"),
    "f32 with scale": (quantized("relu", TensorType("f32", REAL.shape, SIGNED)), "quantization"),
    "scale that is no spec": (quantized("relu", with_spec(CODES, 0.5)), "quantization"),
    "f32 to u8 by relu": (quantized("relu", inputs=("x",)), r"types: got .*insert quantize"),
    "batch norm of codes": (
        quantized(
            "batch_norm",
            constants={"one": np.ones(4, F32)},
            epsilon=0.0,
            **{name: ConstRef("one") for name in ("scale", "bias", "mean", "variance")},
        ),
        "types: got .*f32 -> f32",
    ),
    "pool to another scale": (
        quantized("max_pool2d", OTHER, kernel=(1, 1), stride=(1, 1), padding=(0, 0)),
        "same scale",
    ),
    "codes quantised again": (quantized("quantize", OTHER), "f32 -> u8"),
    "quantised to numbers": (quantized("quantize", REAL, inputs=("x",)), "f32 -> u8"),
    "numbers dequantised": (quantized("dequantize", REAL, inputs=("x",)), "u8 -> f32"),
    "sum of codes and numbers": (quantized("add", inputs=("q", "x")), "types"),
    "residual of numbers": (layer(LOW_BIT, inputs=("q", "x")), "types"),
    "float weight under codes": (layer(FLOAT), "low-bit or integer weight"),
    "integer weight under numbers": (
        layer(INTEGER, inputs=("x",), type_=REAL),
        "low-bit or float weight",
    ),
    "integer bias": (
        quantized(
            "conv2d",
            constants={"w": LOW_BIT, "b": INTEGER},
            weight=ConstRef("w"),
            bias=ConstRef("b"),
        ),
        "float32 array",
    ),
    "a border that no code stands for": (
        quantized("pad", with_shape(CODES, (0, 4, 7, 7)), padding=(1, 1), value=200.0),
        "attribute value: got 200.0; allowed: -inf, or what codes reach, 0..127.5",
    ),
    "a table beyond float32": (
        quantized("unary", function="exp", given=with_spec(CODES, ActivationSpec(1.0, 0, 8))),
        "table, in steps of the output: got inf; allowed: within float32",
    ),
    "a sum beyond int32": (
        quantized(
            "linear",
            TensorType("f32", (0, 1)),
            constants={
                "w": IntegerWeight(np.full((1, 140_000), 63, np.int8), np.ones(1, F32)),
            },
            weight=ConstRef("w"),
            given=WIDE,
        ),
        "largest sum of codes: got 2249100000; allowed: <= 2147483647",
    ),
    "a mean beyond int32": (
        quantized("global_avg_pool", TensorType("f32", (0, 1, 1, 1)), given=HUGE_POOL),
        "largest sum of codes",
    ),
    "a factor beyond float32": (
        layer(
            LowBitWeight(LOW_BIT.codes, np.full(4, 3e38, F32)),
            type_=with_spec(CODES, ActivationSpec(2.0**-100, 0, 8)),
        ),
        "scale, in steps of the output: got inf; allowed: within float32",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_of_quantised_values_is_named(case):
    graph, named = BROKEN[case]
    with pytest.raises(VerifyError, match=named):
        verify(graph)


@pytest.mark.parametrize(
    "graph",
    [layer(LOW_BIT), layer(INTEGER), layer(LOW_BIT, inputs=("q", "q")), layer(LOW_BIT, type_=REAL)],
    ids=["low-bit", "integer", "residual", "f32 out"],
)
def test_sound_quantised_layers_pass(graph):
    verify(graph)


def test_the_edges_of_a_graph_are_numbers():
    graph = Graph(
        "g", (Value("x", CODES),), (Node("y", "dequantize", ("x",), {}, REAL),), ("y",), {}
    )
    with pytest.raises(VerifyError, match=r"input %x.*f32 at the edges"):
        verify(graph)
    graph = Graph("g", (Value("x", REAL),), (Node("y", "quantize", ("x",), {}, CODES),), ("y",), {})
    with pytest.raises(VerifyError, match=r"output %y.*f32 at the edges"):
        verify(graph)


def test_nodes_that_keep_codes_have_nothing_to_requantise():
    graph = quantized("flatten", TensorType("u8", (0, 100), UNSIGNED))
    with pytest.raises(VerifyError, match="requantisation"):
        requantization(graph, graph.node("y"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("scale 0.5", "scale 0.50"),
        ("scale 0.5", "scale 0.1"),
        ("scale 0.5", "scale 1e999"),
        ("scale 0.5", "scale -0.5"),
        ("scale 0.5", "scale nan"),
        ("zero 0", "zero 00"),
        ("zero 0", "zero 1"),
        ("zero 0", "zero -0"),
        ("bits 8", "bits 0"),
        ("bits 8", "bits 9"),
        (" bits 8", ""),
    ],
)
def test_malformed_quantisation_names_the_line(old, new):
    text = print_graph(quantized("relu"))
    assert "%q = quantize(%x) : u8[N,4,5,5] scale 0.5 zero 0 bits 8" in text
    with pytest.raises(VerifyError, match=r"^line 3: "):
        parse_graph(text.replace(old, new, 1), {})


@settings(max_examples=150)
@given(data=st.data(), seed=st.integers(0, 20))
def test_mutated_quantisation_parses_or_raises_verify_error(random_quantized_network, data, seed):
    graph = random_quantized_network(seed)
    text = print_graph(graph)
    places = [match.start() for match in re.finditer(r" scale | zero | bits |u8|f32", text)]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.sampled_from(places)) + data.draw(st.integers(0, 12))
        new = data.draw(st.sampled_from(["", "0", "-", "1e9", "u8", "f32", " ", "64", "."]))
        text = text[:start] + new + text[start + data.draw(st.integers(0, 3)) :]
    try:
        again = parse_graph(text, graph.constants)
    except VerifyError:
        return
    assert print_graph(parse_graph(print_graph(again), again.constants)) == print_graph(again)
