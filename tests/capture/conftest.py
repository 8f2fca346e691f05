"""Shared by the capture tests: one torch thread, seeded networks, and the comparison of values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from signbin.capture import capture, reference_values
from signbin.ir import Graph, interpret


@pytest.fixture(autouse=True)
def _one_seeded_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def randomized() -> Callable[[nn.Module], nn.Module]:
    """Gives batch norms statistics that are not 0 and 1, so that ignoring them shows."""

    def apply(model: nn.Module) -> nn.Module:
        for module in model.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.running_mean.normal_(0, 0.5)
                module.running_var.uniform_(0.5, 2)
                if module.affine:
                    nn.init.uniform_(module.weight, 0.5, 1.5)
                    nn.init.normal_(module.bias)
        return model

    return apply


@pytest.fixture
def captured_like_pytorch(randomized) -> Callable[..., Graph]:
    """Captures, then checks every value of the graph and every output against PyTorch.

    Tolerance: 1e-5 of the largest magnitude of the value; both sides compute in float32 or
    better, in sums of at most a few hundred terms.
    """

    def check(model: nn.Module, *inputs: Tensor) -> Graph:
        model = randomized(model)
        graph = capture(model, tuple(tensor[:1] for tensor in inputs))
        named = zip(graph.inputs, inputs, strict=True)
        values = interpret(graph, {value.name: tensor.numpy() for value, tensor in named})
        reference = reference_values(model, inputs)
        for node in graph.nodes:
            if node.name in reference:
                held = values[node.name]  # elements in the same order, perhaps in another shape
                _assert_close(held, reference[node.name].reshape(held.shape), node.name)
        with torch.no_grad():
            results = model.eval()(*(tensor.clone() for tensor in inputs))
        results = (results,) if isinstance(results, Tensor) else results
        for name, result in zip(graph.outputs, results, strict=True):
            _assert_close(values[name], result.numpy(), name)
        return graph

    return check


def _assert_close(actual: np.ndarray, expected: np.ndarray, name: str) -> None:
    assert actual.shape == expected.shape, name
    largest = float(np.abs(expected).max())
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * largest, err_msg=name)
