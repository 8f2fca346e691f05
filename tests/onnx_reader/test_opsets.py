"""Operators whose attributes became inputs, or whose defaults changed, in every form they had."""

import numpy as np
import pytest
from onnx import helper

from signbin.errors import CaptureError
from signbin.onnx_reader import read_onnx

node = helper.make_node
generator = np.random.default_rng(5)


def floats(*shape):
    return generator.standard_normal(shape).astype(np.float32)


def whole(*numbers):
    return np.array(numbers, np.int64)


def reduced(operator, inputs_from):
    def of(opset):
        if opset >= inputs_from:
            return [node(operator, ["x", "a"], ["y"], keepdims=0)], {"a": whole(-1, 2)}
        return [node(operator, ["x"], ["y"], axes=[-1, 2], keepdims=0)], {}

    return of


def resized(**stated):
    """By scales, as every version takes them."""

    def of(opset):
        scales = np.float32([1, 1, 1.5, 2])
        if opset == 10:
            return [node("Resize", ["x", "s"], ["y"], mode=stated["mode"])], {"s": scales}
        held = {"s": scales, "roi": np.float32([])}
        return [node("Resize", ["x", "roi", "s"], ["y"], **stated)], held

    return of


def resized_to(**stated):
    def of(opset):
        held = {"s": whole(3, 4, 9, 4), "none": np.float32([])}
        if opset >= 18:
            held["s"] = whole(9, 4)
            return [node("Resize", ["x", "", "", "s"], ["y"], axes=[2, 3], **stated)], held
        return [node("Resize", ["x", "none", "none", "s"], ["y"], **stated)], held

    return of


def padded(mode):
    def of(opset):
        amounts = [0, 0, 1, 2, 0, 0, 3, 0]
        if opset < 11:
            return [node("Pad", ["x"], ["y"], mode=mode, pads=amounts)], {}
        if opset < 18:
            return [node("Pad", ["x", "p"], ["y"], mode=mode)], {"p": whole(*amounts)}
        held = {"p": whole(1, 2, 3, 0), "a": whole(2, -1)}
        return [node("Pad", ["x", "p", "", "a"], ["y"], mode=mode)], held

    return of


def split(opset):
    parts = ["y", "z"]
    if opset < 13:
        return [node("Split", ["x"], parts, axis=2, split=[4, 2])], {}
    if opset < 18:
        return [node("Split", ["x", "s"], parts, axis=2)], {"s": whole(4, 2)}
    return [node("Split", ["x"], parts, axis=3, num_outputs=2)], {}


def squeezed(opset):
    pooled = node("GlobalAveragePool", ["x"], ["p"])
    if opset < 13:
        return [pooled, node("Squeeze", ["p"], ["y"], axes=[2, 3])], {}
    return [pooled, node("Squeeze", ["p", "a"], ["y"])], {"a": whole(2, -1)}


def unsqueezed(opset):
    flat = node("Flatten", ["x"], ["f"])
    if opset < 13:
        return [flat, node("Unsqueeze", ["f"], ["y"], axes=[1, 3])], {}
    return [flat, node("Unsqueeze", ["f", "a"], ["y"])], {"a": whole(1, 3)}


def clipped(opset):
    if opset < 11:
        return [node("Clip", ["x"], ["y"], min=-0.5, max=0.25)], {}
    return [node("Clip", ["x", "", "high"], ["y"])], {"high": np.float32(0.25)}


def dropped(opset):
    if opset < 12:
        return [node("Dropout", ["x"], ["d"], ratio=0.5), node("Relu", ["d"], ["y"])], {}
    return [node("Dropout", ["x", "r"], ["d"]), node("Relu", ["d"], ["y"])], {"r": np.float32(0.5)}


def normed(_opset):
    held = {"s": floats(4), "b": floats(4), "m": floats(4), "v": np.abs(floats(4)) + 0.5}
    return [node("BatchNormalization", ["x", *"sbmv"], ["y"])], held


def sliced(opset):
    if opset < 10:
        return [node("Slice", ["x"], ["y"], axes=[1, 3], starts=[1, -4], ends=[9, -1])], {}
    held = {"s": whole(1, -1), "e": whole(9, -9), "a": whole(1, 3), "t": whole(2, -2)}
    return [node("Slice", ["x", *"seat"], ["y"])], held


def softmaxed(operator, axis):
    def of(opset):
        stated = {} if axis is None else {"axis": axis}
        first = node("Reshape", ["x", "n"], ["r"])
        return [first, node(operator, ["r"], ["y"], **stated)], {"n": whole(0, 4, 30)}

    return of


def group_normed(opset):
    del opset
    held = {"s": floats(4), "b": floats(4)}
    return [node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=2)], held


def upsampled(opset):
    del opset
    scales = {"s": np.float32([1, 1, 2, 3])}
    return [node("Upsample", ["x", "s"], ["y"], mode="linear")], scales


LATEST = (11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25)
CASES = {
    "ReduceSum": (reduced("ReduceSum", 13), LATEST),
    "ReduceMean": (reduced("ReduceMean", 18), LATEST),
    "ReduceL2": (reduced("ReduceL2", 18), LATEST),
    "Resize by scales": (resized(mode="nearest"), (10, *LATEST)),
    "Resize asymmetric": (
        resized(mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        LATEST,
    ),
    "Resize ceil": (resized(mode="nearest", nearest_mode="ceil"), LATEST),
    "Resize linear": (resized(mode="linear"), LATEST),
    "Resize linear of old": (resized(mode="linear"), (10,)),
    "Resize aligned": (
        resized(mode="linear", coordinate_transformation_mode="align_corners"),
        LATEST,
    ),
    "Resize to": (resized_to(mode="linear"), LATEST),
    "Resize cubic": (resized_to(mode="cubic", coordinate_transformation_mode="asymmetric"), LATEST),
    "Resize symmetric": (
        resized(mode="linear", coordinate_transformation_mode="half_pixel_symmetric"),
        (19, 21, 25),
    ),
    "Resize antialiased": (resized_to(mode="linear", antialias=1), (18, 19, 21, 25)),
    "Upsample": (upsampled, (9,)),
    "Pad zeros": (padded("constant"), (9, 10, *LATEST)),
    "Pad mirrored": (padded("reflect"), (9, 10, *LATEST)),
    "Pad edge": (padded("edge"), (9, 10, *LATEST)),
    "Pad around": (padded("wrap"), (19, 21, 25)),
    "Split": (split, (9, *LATEST)),
    "Squeeze": (squeezed, (9, *LATEST)),
    "Unsqueeze": (unsqueezed, (9, *LATEST)),
    "Clip": (clipped, (9, *LATEST)),
    "Dropout": (dropped, (9, *LATEST)),
    "BatchNormalization": (normed, (9, *LATEST)),
    "Slice": (sliced, (9, *LATEST)),
    "Softmax": (softmaxed("Softmax", None), (9, *LATEST)),
    "Softmax from an axis": (softmaxed("Softmax", 2), (9, *LATEST)),
    "LogSoftmax": (softmaxed("LogSoftmax", None), (9, *LATEST)),
    "GroupNormalization": (group_normed, (21, 25)),
}


@pytest.mark.parametrize(
    ("case", "opset"),
    [(case, opset) for case, (_, opsets) in CASES.items() for opset in opsets],
)
def test_it_computes_what_onnx_runtime_does(model, agrees, case, opset):
    nodes, constants = CASES[case][0](opset)
    outputs = ["y", "z"] if case == "Split" else ["y"]
    agrees(model(nodes, (3, 4, 6, 5), constants=constants, outputs=outputs, opset=opset))


@pytest.mark.parametrize("rule", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
@pytest.mark.parametrize("place", ["half_pixel", "asymmetric"])
@pytest.mark.parametrize("scales", [(1, 3), (0.6, 1.7), (0.3, 0.3)])
def test_what_falls_between_two_pixels_falls_as_in_float32(model, agrees, rule, place, scales):
    """A place that is whole in float32 is not below it: (4 + 1 / 2) / 3 - 1 / 2 is 1."""
    stated = {"nearest_mode": rule, "coordinate_transformation_mode": place}
    resize = node("Resize", ["x", "", "s"], ["y"], mode="nearest", **stated)
    agrees(model([resize], ("N", 4, 7, 9), {"s": np.float32([1, 1, *scales])}))


@pytest.mark.parametrize("exponent", [0.0, 9.0, 10.0, 16.0, 37.0, -9.0, -10.0])
def test_whole_powers_of_negative_numbers_are_numbers(model, agrees, exponent):
    agrees(model([node("Pow", ["x", "e"], ["y"])], constants={"e": np.float32(exponent)}))


@pytest.mark.parametrize("shape", [(1, 5, 3), (1, 1, 5, 3)])
def test_a_matrix_behind_extents_of_one_is_a_layer(model, agrees, shape):
    graph = agrees(model([node("MatMul", ["x", "w"], ["y"])], constants={"w": floats(*shape)}))
    assert [each.op for each in graph.nodes] == ["linear"]


@pytest.mark.parametrize("place", [4, -5])
def test_an_element_that_is_not_there_is_refused(model, place):
    gather = node("Gather", ["x", "i"], ["y"], axis=1)
    with pytest.raises(CaptureError, match=f"element {place} of 4"):
        read_onnx(model([gather], constants={"i": whole(0, place)}))


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("counted", [0, 1])
def test_a_last_window_that_holds_nothing_of_the_image_is_refused(model, operator, counted):
    """Shape inference of ONNX has it, engines leave it out."""
    stated = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1}
    more = {"count_include_pad": counted} if operator == "AveragePool" else {}
    pool = node(operator, ["x"], ["y"], **stated, **more)
    with pytest.raises(CaptureError, match="windows beyond the image"):
        read_onnx(model([pool], ("N", 4, 7, 5), opset=19))
