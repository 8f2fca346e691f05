"""ONNX Runtime as another engine: every value of a graph by the names it has there."""

import numpy as np
import pytest
import torch

from signbin.capture import capture, reference_values
from signbin.errors import VerifyError
from signbin.interop import OnnxValues
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value


def test_every_value_is_what_pytorch_has_by_the_same_name() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten()
    )
    example = (torch.randn(2, 3, 5, 5),)
    expected = reference_values(model, example)
    graph = capture(model, example)
    values = OnnxValues(graph)(example[0].numpy())
    assert set(values) == {node.name for node in graph.nodes}
    for name, value in values.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-6)  # float32 sums


def test_a_graph_that_onnx_cannot_hold_is_refused() -> None:
    value = Value("x", TensorType("f32", (BATCH, 2)))
    node = Node("y", "linear", ("x",), {"weight": ConstRef("w")}, TensorType("f32", (BATCH, 9)))
    with pytest.raises(VerifyError):
        OnnxValues(Graph("net", (value,), (node,), ("y",), {"w": np.ones((3, 2), np.float32)}))
