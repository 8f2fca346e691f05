"""One node on its way into a native program: what builders of steps ask of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.ir import OPS, Graph, Node, Requantization, requantization, resolve
from signbin.ir.graph import ConstRef
from signbin.ir.schema import TypeRule
from signbin.native import _signbin
from signbin.plan import Plan
from signbin.spec import ActivationKind, ActivationSpec

__all__ = ["POINT", "Floats", "Step", "chain", "flat"]

Floats = NDArray[np.float32]

POINT: Final = (1, 1, 1, 1, 0, 0, 0, 0, 1, 1)
_KINDS: Final = {kind.value: kind for kind in ActivationKind}
_ACTIVATIONS: Final = {
    ActivationKind.NONE: _signbin.Activation.NONE,
    ActivationKind.RELU: _signbin.Activation.RELU,
    ActivationKind.LEAKY_RELU: _signbin.Activation.LEAKY_RELU,
    ActivationKind.PRELU: _signbin.Activation.LEAKY_RELU,
    ActivationKind.CLAMP: _signbin.Activation.CLAMP,
}


@dataclasses.dataclass(frozen=True)
class Step:
    """One node on its way into the builder."""

    builder: _signbin.Builder
    graph: Graph
    node: Node
    values: Mapping[str, int]
    plan: Plan
    whole_batch: bool

    @property
    def attributes(self) -> dict[str, Any]:
        """The node's, defaults filled in."""
        return resolve(self.node)

    @property
    def source(self) -> int:
        """Number of the value it reads first."""
        return self.values[self.node.inputs[0]]

    @property
    def target(self) -> int:
        """Number of the value it makes."""
        return self.values[self.node.name]

    @property
    def given(self) -> ActivationSpec | None:
        """What the codes of the first input mean; None for float32."""
        return self.graph.type_of(self.node.inputs[0]).quantization

    @property
    def residual(self) -> int | None:
        """Number of the second value it reads, if there is one."""
        return self.values[self.node.inputs[1]] if len(self.node.inputs) > 1 else None

    def vector(self, name: str) -> Floats | None:
        """A constant as a flat array; None where the attribute is absent."""
        reference = self.attributes.get(name)
        return flat(self.graph.array(reference)) if isinstance(reference, ConstRef) else None

    def epilogue(self) -> _signbin.Epilogue:
        """The end of a layer, or of a node that is such an end; on codes, its requantisation."""
        if self.given is not None:
            constants = requantization(self.graph, self.node)
            return _signbin.Epilogue(residual=self.residual, **chain(constants))
        attributes = self.attributes
        kind = _KINDS.get(attributes.get("activation", self.node.op), ActivationKind.NONE)
        slope = attributes.get("slope", 0.0)
        return _signbin.Epilogue(
            residual=self.residual,
            bias=self.vector("bias"),
            activation=_ACTIVATIONS[kind],
            slope=slope if isinstance(slope, float) else 0.0,
            low=attributes.get("low", 0.0),
            high=attributes.get("high", 0.0),
            prelu=self.vector("prelu" if "prelu" in attributes else "slope"),
            post_bias=self.vector("post_bias"),
        )

    def scale(self) -> Floats | None:
        """What codes are multiplied by, in steps of the output, where the node changes codes."""
        if self.given is None or OPS[self.node.op].types is not TypeRule.REQUANTIZED:
            return None
        return requantization(self.graph, self.node).scale

    def add(self, op: str, window: tuple[int, ...] = POINT, **takes: Any) -> None:
        """A step without weights."""
        self.builder.add_direct(op, self.source, self.target, window, **takes)


def chain(constants: Requantization) -> dict[str, Any]:
    """The part of a requantisation that an epilogue holds."""
    return {
        "bias": constants.bias,
        "activation": _ACTIVATIONS[constants.activation],
        "low": constants.low,
        "high": constants.high,
        "prelu": constants.slope,
        "post_bias": constants.post_bias,
        "residual_scale": constants.residual_scale,
    }


def flat(array: NDArray[Any]) -> Floats:
    """In one row of float32 numbers."""
    return np.ascontiguousarray(array, dtype=np.float32).reshape(-1)
