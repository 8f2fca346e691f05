"""Small ONNX models, and their agreement with ONNX Runtime."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from numpy.typing import NDArray  # noqa: E402
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper  # noqa: E402

from signbin.ir import Graph, interpret  # noqa: E402
from signbin.onnx_reader import read_onnx  # noqa: E402

Builder = Callable[..., ModelProto]
Agreement = Callable[..., Graph]
TOLERANCE = 1e-4  # relative to the largest output: both sum float32, in another order


def model(
    nodes: Sequence[NodeProto],
    shape: Sequence[int | str] = ("N", 4, 6, 5),
    constants: Mapping[str, NDArray[Any]] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 17,
    domains: Sequence[str] = (),
) -> ModelProto:
    """A model of the input x, not checked: tests of refusals want broken ones, too."""
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))]
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    stored = [numpy_helper.from_array(a, name) for name, a in (constants or {}).items()]
    versions = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    graph = helper.make_graph(list(nodes), "small", given, made, stored)
    return helper.make_model(graph, opset_imports=versions, ir_version=9)


def agrees(made: ModelProto, images: int = 3, tolerance: float = TOLERANCE) -> Graph:
    """The graph, once the interpreter has computed what ONNX Runtime computes."""
    graph = read_onnx(made)
    (value,) = graph.inputs
    given = made.graph.input[0].type.tensor_type.shape.dim[0].dim_value or images
    generator = np.random.default_rng(7)
    x = generator.standard_normal((given, *value.type.shape[1:])).astype(np.float32)
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = session.run(None, {made.graph.input[0].name: x})
    values = interpret(graph, {value.name: x})
    for name, array in zip(graph.outputs, expected, strict=True):
        assert values[name].shape == array.shape
        error = np.abs(values[name] - array).max() / max(np.abs(array).max(), 1e-30)
        assert error <= tolerance, f"{name}: {error}"
    return graph


@pytest.fixture(name="model")
def _model() -> Builder:
    return model


@pytest.fixture(name="agrees")
def _agrees() -> Agreement:
    return agrees
