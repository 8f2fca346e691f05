"""ONNX's node tests with attributes, constants and shapes that make no sense: errors of ours."""

import random
import time
import tracemalloc

import numpy as np
import pytest
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

from docs.onnx_operators import Case, cases, with_constants
from signbin.errors import SignbinError
from signbin.onnx_reader import findings, read_onnx

WHOLE = (0, 1, -1, 2, 3, -2, 7, 100, 2**16, 2**31 - 1, -(2**31), 2**40, 2**63 - 1, -(2**63))
REAL = (0.0, 1.0, -1.0, 0.5, 1e-30, 1e30, float("inf"), float("nan"), -0.0)
WORDS = (b"", b"linear", b"wrap", b"SAME_UPPER", b"\xff")
EXTENTS = (1, 2, 5, 2**14, 2**27, 2**40)
CASES = [case for case in cases() if case.floats]
LONGEST = 5.0  # seconds; most take milliseconds


def spoil(model: ModelProto, rng: random.Random) -> None:
    node = model.graph.node[0]
    for attribute in node.attribute:
        if rng.random() < 0.6:
            if attribute.type == AttributeProto.INT:
                attribute.i = rng.choice(WHOLE)
            elif attribute.type == AttributeProto.INTS and attribute.ints:
                attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(WHOLE)
            elif attribute.type == AttributeProto.FLOAT:
                attribute.f = rng.choice(REAL)
            elif attribute.type == AttributeProto.STRING:
                attribute.s = rng.choice(WORDS)
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor).copy()
        if array.size and array.dtype.kind in "if" and rng.random() < 0.5:
            wrong = rng.choice(WHOLE if array.dtype.kind == "i" else REAL)
            with np.errstate(all="ignore"):
                array.flat[rng.randrange(array.size)] = np.array(wrong).astype(array.dtype)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    if rng.random() < 0.2 and len(node.input) > 1:
        node.input[rng.randrange(len(node.input))] = ""
    for info in model.graph.input:
        dims = info.type.tensor_type.shape.dim
        if dims and rng.random() < 0.2:
            dims[rng.randrange(len(dims))].dim_value = rng.choice(EXTENTS)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.wide) for seed in range(1, 12))]
)
@pytest.mark.parametrize("operator", sorted({case.operator for case in CASES}))
def test_nothing_but_errors_of_ours_and_no_time_is_lost(operator: str, seed: int) -> None:
    rng = random.Random(f"{operator} {seed}")
    of_operator: list[Case] = [case for case in CASES if case.operator == operator]
    for case in of_operator:
        model = with_constants(case, case.floats[:1] if rng.random() < 0.7 else case.floats)
        spoil(model, rng)
        begun = time.process_time()
        for read in (read_onnx, findings):
            try:
                read(model, batched=rng.random() < 0.5)
            except SignbinError:
                continue
        assert time.process_time() - begun < LONGEST, case.name


def test_a_slice_of_an_axis_padded_to_many_millions_makes_no_list_of_them() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, 4, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    numbers = {"pads": [0] * 7 + [2**26], "starts": [0], "ends": [2**60], "axes": [3], "steps": [2]}
    parts = [numpy_helper.from_array(np.array(each), name) for name, each in numbers.items()]
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["wide"]),
        helper.make_node("Slice", ["wide", "starts", "ends", "axes", "steps"], ["y"]),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "wide", [x], [y], parts),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    tracemalloc.start()
    with pytest.raises(SignbinError, match="elements per image"):
        read_onnx(model)
    assert tracemalloc.get_traced_memory()[1] < 2**26  # 2**26 numbers in a list are half a gigabyte
    tracemalloc.stop()
