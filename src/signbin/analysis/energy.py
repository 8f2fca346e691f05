"""Energy = counts x table: per action, component, layer and model, always with its provenance.

Every figure made here is an estimate and says so: label, model, configuration, table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from signbin.analysis.accelerators import accelerator, load_configuration
from signbin.analysis.counts import Action, Component, Counts, total
from signbin.analysis.tables import EnergyTable, load_table
from signbin.analysis.workload import LayerWorkload
from signbin.errors import SpecError

__all__ = ["Estimate", "LayerEnergy", "ProcessingArray", "count_layers", "estimate", "price"]


@dataclasses.dataclass(frozen=True)
class ProcessingArray:
    """What counts: an accelerator model and its configuration, by name, file or object.

    dram: whether memory traffic outside the chip is counted, each operand once per layer:
    stored weights and inputs in, outputs out, ``activation_bits`` per activation.
    """

    model: str
    configuration: Any = None
    dram: bool = False
    activation_bits: int = 8

    def resolved(self) -> ProcessingArray:
        """The same with the configuration loaded; SpecError names what is wrong."""
        model = accelerator(self.model)
        chosen = self.configuration
        if chosen is None or isinstance(chosen, str | Path):
            chosen = load_configuration(model, chosen)
        if not isinstance(chosen, model.configuration):  # type: ignore[arg-type]  # a class, called to construct
            raise SpecError(f"configuration of {self.model}", value=chosen)
        return dataclasses.replace(self, configuration=chosen)


@dataclasses.dataclass(frozen=True)
class LayerEnergy:
    """A layer's counts and the energy of each action in the table's unit."""

    name: str
    counts: Counts
    actions: Mapping[Action, float]

    @property
    def energy(self) -> float:
        """Sum over actions."""
        return sum(self.actions.values())

    @property
    def components(self) -> Mapping[Component, float]:
        """Energy by component, in the order of the list of components."""
        sums = {
            component: sum(
                energy for action, energy in self.actions.items() if action.component is component
            )
            for component in Component
        }
        used = {action.component for action in self.actions}
        return MappingProxyType({part: sums[part] for part in Component if part in used})


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The energy of a model on an array, priced by a table."""

    array: ProcessingArray
    table: EnergyTable
    layers: tuple[LayerEnergy, ...]
    workload: Mapping[str, Any]

    @property
    def unit(self) -> str:
        """Unit of every energy here."""
        return self.table.unit

    @property
    def cycles(self) -> float:
        """Cycles of all layers, one after the other."""
        return self.counts.cycles

    @property
    def counts(self) -> Counts:
        """Counts of all layers."""
        return total(layer.counts for layer in self.layers)

    @property
    def energy(self) -> float:
        """Sum over the layers."""
        return sum(layer.energy for layer in self.layers)

    @property
    def components(self) -> Mapping[Component, float]:
        """Energy by component, over all layers."""
        sums: dict[Component, float] = {}
        for layer in self.layers:
            for component, energy in layer.components.items():
                sums[component] = sums.get(component, 0.0) + energy
        return MappingProxyType(sums)

    @property
    def label(self) -> str:
        """How the figure came about, in a line: never without it."""
        dram = "DRAM counted" if self.array.dram else "on-chip only, DRAM not counted"
        return (
            f"estimated (model {self.array.model}, table {self.table.name}, "
            f"configuration {self.array.configuration.name}; {dram})"
        )

    def repriced(self, table: EnergyTable | str | Path) -> Estimate:
        """The same counts with the prices of another table."""
        prices = table if isinstance(table, EnergyTable) else load_table(table)
        layers = tuple(price(layer.name, layer.counts, prices) for layer in self.layers)
        return dataclasses.replace(self, table=prices, layers=layers)

    def to_json(self) -> dict[str, Any]:
        """``cycles``, ``energy``, ``unit``, ``layers``, ``components``, ``provenance``."""
        return {
            "cycles": self.cycles,
            "energy": self.energy,
            "unit": self.unit,
            "components": _named(self.components),
            "layers": [
                {
                    "name": layer.name,
                    "cycles": layer.counts.cycles,
                    "energy": layer.energy,
                    "components": _named(layer.components),
                    "actions": layer.counts.to_json()["actions"],
                }
                for layer in self.layers
            ],
            "provenance": self._provenance(),
        }

    def _provenance(self) -> dict[str, Any]:
        configuration = {
            field.name: _plain(getattr(self.array.configuration, field.name))
            for field in dataclasses.fields(self.array.configuration)
        }
        return {
            "label": "estimated",
            "model": self.array.model,
            "configuration": configuration,
            "table": self.table.name,
            "table_title": self.table.title,
            "nodes": sorted({row.node for row in self.table.rows}),
            "unverified_prices": [str(one) for one in self.table.unverified(self.counts)],
            "dram": "counted" if self.array.dram else "not counted",
            "workload": dict(self.workload),
        }


def count_layers(layers: Sequence[LayerWorkload], array: ProcessingArray) -> tuple[Counts, ...]:
    """Counts of every layer, with DRAM traffic where the array asks for it."""
    ready = array.resolved()
    model = accelerator(ready.model)
    counts = [model.count(layer, ready.configuration) for layer in layers]
    if ready.dram:
        counts = [
            one + _memory_traffic(layer, ready.activation_bits)
            for one, layer in zip(counts, layers, strict=True)
        ]
    return tuple(counts)


def price(name: str, counts: Counts, table: EnergyTable) -> LayerEnergy:
    """Counts x table; SpecError names actions the table has no price for, never a silent zero."""
    missing = table.missing(counts)
    if missing:
        raise SpecError(
            f"energy of {name}: table {table.name} has no price for",
            value=", ".join(str(action) for action in missing),
            remedy="choose another table or add rows to a copy of it",
        )
    actions = {action: count * table.prices[action] for action, count in counts.actions.items()}
    return LayerEnergy(name, counts, MappingProxyType(actions))


def estimate(
    layers: Sequence[LayerWorkload], array: ProcessingArray, table: EnergyTable | str | Path
) -> Estimate:
    """Energy of all layers for one image. SpecError: bad names, impossible configurations."""
    if not layers:
        raise SpecError("layers to estimate", value=0, allowed="at least one")
    ready = array.resolved()
    prices = table if isinstance(table, EnergyTable) else load_table(table)
    counted = count_layers(layers, ready)
    priced = tuple(
        price(layer.name, counts, prices) for layer, counts in zip(layers, counted, strict=True)
    )
    return Estimate(ready, prices, priced, MappingProxyType(_describe(layers)))


def _memory_traffic(layer: LayerWorkload, activation_bits: int) -> Counts:
    outputs = layer.filters * layer.out_pixels
    return Counts(
        0,
        {
            Action.DRAM_READ: layer.stored_weight_bits + layer.in_elements * activation_bits,
            Action.DRAM_WRITE: outputs * activation_bits,
        },
    )


def _describe(layers: Iterable[LayerWorkload]) -> dict[str, Any]:
    chosen = list(layers)
    weights = sum(layer.filters * layer.inputs for layer in chosen)
    kept = sum(layer.drawn_density * layer.filters * layer.inputs for layer in chosen)
    drawn = [layer for layer in chosen if layer.codes is None and layer.density < 1.0]
    return {
        "layers": len(chosen),
        "macs": sum(layer.macs for layer in chosen),
        "value_sets": sorted({layer.value_set.value for layer in chosen}),
        "density": kept / weights,
        "activation_density": float(np.mean([layer.activation_density for layer in chosen])),
        "zeros": f"drawn independently, seed {drawn[0].seed}"
        if drawn
        else chosen[0].zeros or "as given",
    }


def _named(components: Mapping[Component, float]) -> dict[str, float]:
    return {component.value: energy for component, energy in components.items()}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return getattr(value, "value", value)
