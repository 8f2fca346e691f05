"""One layer from 8-bit codes to 8-bit codes: what int8 engines are given to be compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.layers import LAYER, Shape, bias_of, images_for, one_layer, random_weight
from signbin.ir import Graph, interpret
from signbin.measure import Agreement, agreement
from signbin.passes import quantize_activations
from signbin.spec import ActivationSpec, IntegerWeight

Codes = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, eq=False)
class CodedLayer:
    """relu(conv2d(images, weight) + bias), unsigned codes with zero point 0 on both sides.

    graph: the layer in the middle of a network of float activations, see layers.one_layer.
    weight: float32 (K, C/groups, R, S). images: codes (N, C, H, W), real = input_scale * code.
    expected: the float layer's output for those images; output_scale: its largest value / 255.
    Scales are float32 values.
    """

    shape: Shape
    graph: Graph
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    images: Codes
    input_scale: float
    expected: NDArray[np.float32]
    output_scale: float

    @property
    def numbers(self) -> NDArray[np.float32]:
        """The images that the codes stand for, (N, C, H, W)."""
        return self.images.astype(np.float32) * np.float32(self.input_scale)

    def quantized(self) -> Graph:
        """The graph with the layer on codes, from codes to codes."""
        given = ActivationSpec(self.input_scale, 0, 8)
        made = ActivationSpec(self.output_scale, 0, 8)
        specs = {value.name: given for value in self.graph.inputs}
        specs |= {node.name: made for node in self.graph.nodes}
        specs[self.graph.node(LAYER).inputs[0]] = given
        return quantize_activations(self.graph, specs)

    def agreement(self, output: Codes) -> Agreement:
        """An engine's output codes (N, K, P, Q) against the float layer's numbers."""
        numbers = output.astype(np.float32) * np.float32(self.output_scale)
        return agreement(numbers, self.expected)


@dataclasses.dataclass(frozen=True, eq=False)
class CodedCall:
    """A peer's layer, ready to be called: its output codes (N, K, P, Q), and what to record."""

    engine: str
    call: Callable[[], Any]
    output: Codes
    facts: dict[str, Any]


def coded_layer(shape: Shape, weights: str, density: float) -> CodedLayer:
    """A layer with random weights of a kind, and normal noise after a ReLU as its image."""
    graph = one_layer(shape, random_weight(shape, weights, density))
    images = np.maximum(images_for(shape), 0)
    input_scale = _scale(images)
    codes = np.rint(images / np.float32(input_scale)).astype(np.uint8)
    held = codes.astype(np.float32) * np.float32(input_scale)
    expected = interpret(graph, {graph.inputs[0].name: held})[graph.outputs[0]]
    return CodedLayer(
        shape=shape,
        graph=graph,
        weight=graph.array(graph.node(LAYER).attributes["weight"]),
        bias=bias_of(shape),
        images=codes,
        input_scale=input_scale,
        expected=expected,
        output_scale=_scale(expected),
    )


def rounded(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Codes of 7 bits and a scale per filter: weight = scale * codes about.

    8 bits, without instructions for four products at once, would saturate sums of two.
    """
    largest = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
    scale = (np.where(largest > 0, largest, 1) / IntegerWeight.LARGEST_CODE).astype(np.float32)
    each = scale.reshape(-1, *[1] * (weight.ndim - 1))
    return np.rint(weight / each).astype(np.int8), scale


def _scale(numbers: NDArray[np.float32]) -> float:
    """So that the largest number has the code 255."""
    return float(numbers.max() / np.float32(255))
