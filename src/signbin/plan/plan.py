"""What the planner decides: for every layer with weights, a strategy, its tile and the reason.

Frozen, printable, and JSON both ways, so that an artifact can carry it as a hint and a report
can show it.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from signbin.errors import PlanError
from signbin.spec import ValueSet

__all__ = ["Candidate", "LayerPlan", "Plan", "Strategy"]

_MOST_ENTRIES: Final = 65_536
_LONGEST_TEXT: Final = 4_096
_LARGEST_INTEGER: Final = 2**63 - 1
_LARGEST_PARAMETER: Final = 2**31 - 1  # what the kernels count in


class Strategy(enum.Enum):
    """Ways to compute a layer with weights. The descriptions live in strategies.py."""

    DENSE = "dense"
    BUCKET = "bucket"
    TABLE = "table"
    SPARSE = "sparse"
    AGR = "agr"
    SUMMERGE = "summerge"
    CSE = "cse"
    QGYM = "qgym"
    BITSERIAL = "bitserial"


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One way a layer could have been run.

    cost: predicted vector operations per vector of output pixels, for all filters of the layer
    (infinite where the strategy cannot serve the layer). why: "chosen: ..." or
    "rejected: ...", with the numbers that decided. ms: measured milliseconds of one image; None
    where nobody measured.
    """

    strategy: Strategy
    parameters: Mapping[str, int]
    cost: float
    why: str
    ms: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))


@dataclasses.dataclass(frozen=True)
class LayerPlan:
    """The decision for one node of the lowered graph.

    layer: the node's name. parameters of ``bucket``: ``filters`` (F filters walked together),
    ``vectors`` (V vectors of pixels) and ``chunk`` (input channels per chunk); those of lists
    of shared sums: ``vectors`` and what shared_sums.py lists.
    order: of ``bucket``: which filters share a walk, see Grouping.order; empty where they do in
    their own order. value_set: name of the weights' value set; density: non-zero codes / codes
    (1.0 for float); macs: dense multiply-accumulates per image.
    """

    layer: str
    op: str
    value_set: str
    density: float
    macs: int
    strategy: Strategy
    parameters: Mapping[str, int]
    why: str
    candidates: tuple[Candidate, ...]
    order: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    def __str__(self) -> str:
        """Name, op, value set, strategy with its parameters, and the reason, on one line."""
        tile = ", ".join(f"{name} {value}" for name, value in self.parameters.items())
        strategy = f"{self.strategy.value} ({tile})" if tile else self.strategy.value
        return f"{self.layer} ({self.op}, {self.value_set}): {strategy}: {self.why}"


@dataclasses.dataclass(frozen=True)
class Plan:
    """Decisions for every layer with weights, in execution order, for one target."""

    target: str
    layers: tuple[LayerPlan, ...]

    def __str__(self) -> str:
        """The target, then a line per layer: strategy, its parameters and the reason."""
        return "\n".join([f"plan for {self.target}", *(f"  {layer}" for layer in self.layers)])

    def for_layer(self, name: str) -> LayerPlan:
        """The decision for a node; PlanError where the plan has none."""
        for layer in self.layers:
            if layer.layer == name:
                return layer
        raise PlanError(
            f"plan for {self.target}",
            value=name,
            allowed=", ".join(layer.layer for layer in self.layers),
            remedy="plan the graph again",
        )

    def to_json(self) -> dict[str, Any]:
        """A JSON object that :meth:`from_json` reads back to an equal value.

        An infinite cost is written as null, because JSON has no infinity.
        """
        return {"target": self.target, "layers": [_layer_to_json(layer) for layer in self.layers]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Plan:
        """Read what :meth:`to_json` wrote; anything else is a PlanError."""
        members = _members(document, "plan", ("target", "layers"))
        layers = tuple(_layer_from_json(entry) for entry in _sequence(members["layers"], "layers"))
        names = [layer.layer for layer in layers]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise PlanError("layer of a plan", value=twice, allowed="each layer once")
        return cls(_text(members["target"], "target"), layers)


_CANDIDATE_KEYS: Final = ("strategy", "parameters", "cost", "why", "ms")
_LAYER_KEYS: Final = tuple(field.name for field in dataclasses.fields(LayerPlan))


def _candidate_to_json(candidate: Candidate) -> dict[str, Any]:
    return {
        "strategy": candidate.strategy.value,
        "parameters": dict(candidate.parameters),
        "cost": float(candidate.cost) if math.isfinite(candidate.cost) else None,
        "why": candidate.why,
        "ms": None if candidate.ms is None else float(candidate.ms),
    }


def _layer_to_json(layer: LayerPlan) -> dict[str, Any]:
    document: dict[str, Any] = {name: getattr(layer, name) for name in _LAYER_KEYS}
    document["density"] = float(layer.density)
    document["strategy"] = layer.strategy.value
    document["parameters"] = dict(layer.parameters)
    document["candidates"] = [_candidate_to_json(candidate) for candidate in layer.candidates]
    document["order"] = [list(row) for row in layer.order]
    if not layer.order:
        del document["order"]
    return document


def _candidate_from_json(document: object) -> Candidate:
    if isinstance(document, Mapping):
        document = {"ms": None, **document}  # plans made before there were measurements
    members = _members(document, "candidate", _CANDIDATE_KEYS)
    cost, ms = members["cost"], members["ms"]
    return Candidate(
        strategy=_strategy(members["strategy"]),
        parameters=_parameters(members["parameters"]),
        cost=math.inf if cost is None else _number(cost, "cost", math.inf),
        why=_text(members["why"], "why"),
        ms=None if ms is None else _number(ms, "ms", math.inf),
    )


def _layer_from_json(document: object) -> LayerPlan:
    kept = {"order"} & set(document if isinstance(document, Mapping) else ())
    keys = tuple(key for key in _LAYER_KEYS if key != "order" or kept)
    members = _members(document, "layer", keys)
    value_sets = [value_set.value for value_set in ValueSet]
    if members["value_set"] not in value_sets:
        raise PlanError(
            "value set of a plan", value=members["value_set"], allowed=", ".join(value_sets)
        )
    candidates = _sequence(members["candidates"], "candidates")
    return LayerPlan(
        layer=_text(members["layer"], "layer"),
        op=_text(members["op"], "op"),
        value_set=members["value_set"],
        density=_number(members["density"], "density", 1.0),
        macs=_integer(members["macs"], "macs"),
        strategy=_strategy(members["strategy"]),
        parameters=_parameters(members["parameters"]),
        why=_text(members["why"], "why"),
        candidates=tuple(_candidate_from_json(entry) for entry in candidates),
        order=_order(members["order"]) if kept else (),
    )


def _order(value: object) -> tuple[tuple[int, ...], ...]:
    rows = _sequence(value, "order")
    if not rows:
        raise PlanError("order of a plan", value=value, allowed="at least one row, or no order")
    read = tuple(
        tuple(_integer(number, "order", _LARGEST_PARAMETER) for number in _sequence(row, "order"))
        for row in rows
    )
    if not all(read):
        raise PlanError("row of the order of a plan", value=[], allowed="at least one filter")
    return read


def _members(document: object, what: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(document, Mapping) or set(document) != set(keys):
        value = list(document)[:16] if isinstance(document, Mapping) else type(document).__name__
        raise PlanError(
            f"{what} of a plan", value=value, allowed=f"an object with the keys {', '.join(keys)}"
        )
    return document


def _sequence(value: object, what: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > _MOST_ENTRIES:
        raise PlanError(
            f"{what} of a plan", value=value, allowed=f"a list of at most {_MOST_ENTRIES} entries"
        )
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise PlanError(
            f"{what} of a plan", value=value, allowed=f"text of at most {_LONGEST_TEXT} characters"
        )
    return value


def _number(value: object, what: str, largest: float) -> float:
    # to_json writes every number of this kind as a float; a whole one would not read as itself.
    if not isinstance(value, float) or not 0 <= value <= min(largest, 1e300):
        raise PlanError(f"{what} of a plan", value=value, allowed=f"0.0..{largest}, finite")
    return value


def _integer(value: object, what: str, largest: int = _LARGEST_INTEGER) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise PlanError(f"{what} of a plan", value=value, allowed=f"0..{largest}")
    return value


def _strategy(value: object) -> Strategy:
    for strategy in Strategy:
        if strategy.value == value:
            return strategy
    raise PlanError(
        "strategy of a plan", value=value, allowed=", ".join(entry.value for entry in Strategy)
    )


def _parameters(value: object) -> dict[str, int]:
    if not isinstance(value, Mapping) or len(value) > _MOST_ENTRIES:
        raise PlanError("parameters of a plan", value=value, allowed="an object of whole numbers")
    return {
        _text(name, "parameter name"): _integer(number, "parameter", _LARGEST_PARAMETER)
        for name, number in value.items()
    }
