"""The weights of a layer as the native library takes them, for the strategy that the plan chose."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError
from signbin.ir import Graph, Node, requantization
from signbin.ir.graph import Constant, ConstRef
from signbin.native import _signbin
from signbin.plan import LayerPlan, Plan, Strategy, family_of, order_of_chunks, sums_of
from signbin.spec import IntegerWeight, LowBitWeight
from signbin.sums import BinaryForm

__all__ = ["native_weight"]

_ANY_TILE: Final = (1, 1, 1)


def native_weight(graph: Graph, node: Node, plan: Plan) -> _signbin.Weight:
    """The weight of a conv2d or linear; ExecutionError where the plan does not fit it."""
    reference = node.attributes["weight"]
    assert isinstance(reference, ConstRef)
    decided = plan.for_layer(node.name)
    layer = _Planned(graph, node, decided, graph.constants[reference.name])
    family = family_of(decided.strategy)
    return _signbin.Weight(
        strategy=_signbin.Strategy[family.upper()], **_FAMILIES.get(family, _codes)(layer)
    )


@dataclasses.dataclass(frozen=True)
class _Planned:
    """A layer with weights, and what the plan says of it."""

    graph: Graph
    node: Node
    plan: LayerPlan
    weight: Constant

    @property
    def groups(self) -> int:
        groups = self.node.attributes.get("groups", 1)
        assert isinstance(groups, int)
        return groups

    @property
    def reads_codes(self) -> bool:
        return self.graph.type_of(self.node.inputs[0]).quantization is not None

    @property
    def low_bit(self) -> LowBitWeight:
        """The weight, for strategies that take no other; ExecutionError where it is float."""
        if isinstance(self.weight, LowBitWeight):
            return self.weight
        raise ExecutionError(
            f"strategy of {self.node.op} {self.node.name}",
            value=self.plan.strategy.value,
            allowed=f"{Strategy.DENSE.value}: the weights are float",
        )

    def parameter(self, name: str) -> int:
        """A parameter that the strategy cannot do without."""
        if name not in self.plan.parameters:
            raise ExecutionError(
                f"plan of layer {self.plan.layer}",
                value=dict(self.plan.parameters),
                allowed=f"a parameter {name}",
                remedy="plan the graph again",
            )
        return self.plan.parameters[name]

    def mode(self) -> _signbin.WalkMode:
        if self.plan.parameters.get("zeros"):
            return _signbin.WalkMode.ZEROS
        if self.plan.parameters.get("two_groups"):
            return _signbin.WalkMode.TWO_GROUPS
        return _signbin.WalkMode.DEFAULT

    def factors(self) -> dict[str, Any]:
        """What multiplies exact sums, in steps of the output."""
        constants = requantization(self.graph, self.node)
        return {"scale": constants.scale, "offset": constants.offset}

    def codes(self) -> dict[str, Any]:
        """Low-bit codes and their factors."""
        weight = self.low_bit
        factors = {"scale": weight.scale, "offset": weight.offset}
        return {"codes": _flat(weight.codes), **(self.factors() if self.reads_codes else factors)}


def _flat(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    return np.ascontiguousarray(codes).reshape(-1)


def _dense(layer: _Planned) -> dict[str, Any]:
    """Float values; on codes integers."""
    weight = layer.weight
    if layer.reads_codes:
        assert isinstance(weight, LowBitWeight | IntegerWeight)
        return {"integers": _flat(weight.codes), "tile": _ANY_TILE, **layer.factors()}
    dense = layer.graph.array(layer.node.attributes["weight"])
    values = np.ascontiguousarray(dense, dtype=np.float32).reshape(-1)
    return {"values": values, "tile": _ANY_TILE}


def _bucket(layer: _Planned) -> dict[str, Any]:
    """How a bucket walk runs."""
    codes = layer.codes()
    tile = tuple(layer.parameter(name) for name in ("filters", "vectors", "chunk"))
    chunks = math.ceil(layer.low_bit.shape[1] / max(tile[2], 1))
    order = order_of_chunks(layer.plan.order, layer.groups, chunks)
    return {
        **codes,
        "tile": tile,
        "mode": layer.mode(),
        "order": np.concatenate(order, dtype=np.int32) if order else None,
        "generated": bool(layer.plan.parameters.get("generated", 0)),
    }


def _sums(layer: _Planned) -> dict[str, Any]:
    """The list of shared sums that the plan names, and how many vectors it takes."""
    codes, plan = layer.codes(), layer.plan
    sums = sums_of(layer.low_bit, plan.strategy, plan.parameters, layer.groups)
    made = sums.sum_list
    two_groups = sums.form is BinaryForm.TWO_GROUPS
    return {
        **codes,
        "sums": _signbin.SumList(made.starts, made.operands, made.roles, made.segments),
        "tile": (1, layer.parameter("vectors"), 1),
        "mode": _signbin.WalkMode.TWO_GROUPS if two_groups else _signbin.WalkMode.DEFAULT,
    }


def _codes(layer: _Planned) -> dict[str, Any]:
    """Codes, in any tile."""
    return {**layer.codes(), "tile": _ANY_TILE, "mode": layer.mode()}


_FAMILIES: Final[Mapping[str, Callable[[_Planned], dict[str, Any]]]] = {
    "dense": _dense,
    "bucket": _bucket,
    "sums": _sums,
}
"""Family of kernels -> what its weights take, as keywords of the native Weight; others: codes."""
