"""Small ONNX models, as exporters of others write them."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = 5


def small_model(
    batch: int | str = "N",
    extents: tuple[int | str, ...] = (3, 12, 12),
    last: str = "Gemm",
    middle: str = "Relu",
) -> onnx.ModelProto:
    """A float and a signed-binary convolution with names of PyTorch's modules, and a classifier."""
    random = np.random.default_rng(0)
    binary = (random.random((16, 8, 3, 3)) < 0.4) * np.where(np.arange(16) % 2, 1.0, -1.0).reshape(
        -1, 1, 1, 1
    )
    weights = {
        "stem.weight": random.standard_normal((8, 3, 3, 3)) / 5,
        "stem.bias": random.standard_normal(8),
        "body.weight": binary / 8,
        "head.weight": random.standard_normal((CLASSES, 16)) / 4,
        "head.bias": random.standard_normal(CLASSES),
    }
    nodes = [
        helper.make_node("Conv", ["image", "stem.weight", "stem.bias"], ["s"], "/stem/Conv"),
        helper.make_node(middle, ["s"], ["r"], f"/act/{middle}"),
        helper.make_node("Conv", ["r", "body.weight"], ["b"], "/body/Conv", pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["b"], ["p"], "/pool/GlobalAveragePool"),
        helper.make_node("Flatten", ["p"], ["f"], "/flat/Flatten"),
        helper.make_node("Gemm", ["f", "head.weight", "head.bias"], ["h"], "/head/Gemm", transB=1),
        helper.make_node("Identity", ["h"], ["scores"], "/last")
        if last == "Gemm"
        else helper.make_node(last, ["h"], ["scores"], f"/last/{last}"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, *extents])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(each.astype(np.float32), name) for name, each in weights.items()],
    )
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="tests")


def images(count: int, extents: tuple[int, ...] = (3, 12, 12)) -> np.ndarray:
    return np.random.default_rng(count).standard_normal((count, *extents)).astype(np.float32)
