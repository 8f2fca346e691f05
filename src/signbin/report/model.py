"""From an opened model file to the records of a report: sizes, and the plan's layers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from signbin.report.schema import Model, ReportedLayer
from signbin.spec import LowBitWeight

__all__ = ["OpenedModel", "describe_layers", "describe_model"]

_ACCURACIES: Final = ("test_accuracy", "validation_accuracy")


class OpenedModel(Protocol):
    """What is read of a model file: its graph, plan, class names and provenance."""

    @property
    def graph(self) -> Any:
        """Nodes with attributes, and constants by name."""

    @property
    def plan(self) -> Any:
        """A plan with ``to_json()``, or None."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the outputs; empty where none are stored."""

    @property
    def provenance(self) -> Mapping[str, str]:
        """Where the model came from."""


def describe_model(
    path: Path,
    opened: OpenedModel,
    stored_bytes: Mapping[str, int],
    arena_bytes: int | None = None,
) -> Model:
    """The record of the model file at ``path``; size_bytes is None while there is no file.

    stored_bytes: by name of a constant, how many bytes of the file hold it.
    """
    size_bytes = path.stat().st_size if path.exists() else None
    weights = dict(_weights(opened.graph))
    total = sum(size for size, _ in weights.values())
    low_bit = {name: size for name, (size, is_low_bit) in weights.items() if is_low_bit}
    plan = opened.plan.to_json() if opened.plan is not None else None
    return Model(
        path=str(path),
        size_bytes=size_bytes,
        weights=total,
        low_bit_weights=sum(low_bit.values()),
        bits_per_weight=_bits(sum(stored_bytes[name] for name in low_bit), sum(low_bit.values())),
        file_bits_per_weight=_bits(size_bytes, total),
        target=plan["target"] if plan else None,
        layers=describe_layers(plan, opened.graph.layer_modules()) if plan else (),
        class_names=tuple(opened.class_names),
        provenance=dict(opened.provenance),
        arena_bytes=arena_bytes,
        accuracy=_accuracy(opened.provenance),
    )


def _accuracy(provenance: Mapping[str, str]) -> float | None:
    """Of held-out images, as training wrote it; None where it says none, or no share."""
    for key in _ACCURACIES:
        try:
            share = float(provenance[key])
        except (KeyError, ValueError):
            continue
        if 0 <= share <= 1:
            return share
    return None


def _bits(size_bytes: int | None, weights: int) -> float | None:
    return 8 * size_bytes / weights if size_bytes is not None and weights else None


def describe_layers(
    plan: Mapping[str, Any], modules: Mapping[str, str]
) -> tuple[ReportedLayer, ...]:
    """The layers of ``Plan.to_json()``, each with the candidates that were not taken.

    modules: name of the trained layer by name of the node.
    """
    return tuple(
        ReportedLayer(
            name=layer["layer"],
            op=layer["op"],
            value_set=layer["value_set"],
            density=layer["density"],
            macs=layer["macs"],
            strategy=layer["strategy"],
            parameters=dict(layer["parameters"]),
            why=layer["why"],
            rejected=tuple(_rejected(layer)),
            module=modules.get(layer["layer"], ""),
        )
        for layer in plan["layers"]
    )


def _rejected(layer: Mapping[str, Any]) -> Iterator[str]:
    for candidate in layer["candidates"]:
        taken = (layer["strategy"], layer["parameters"])
        if (candidate["strategy"], candidate["parameters"]) != taken:
            values = ", ".join(f"{key} {value}" for key, value in candidate["parameters"].items())
            what = f"{candidate['strategy']} ({values})" if values else candidate["strategy"]
            yield f"{what}: {candidate['why'].removeprefix('rejected: ')}"


def _weights(graph: Any) -> Iterator[tuple[str, tuple[int, bool]]]:
    """(constant, (number of weights, whether low-bit)) of every convolution and linear layer."""
    for node in graph.nodes:
        reference = node.attributes.get("weight")
        if reference is not None:
            constant = graph.constants[reference.name]
            size = math.prod(constant.shape)
            yield reference.name, (size, isinstance(constant, LowBitWeight))
