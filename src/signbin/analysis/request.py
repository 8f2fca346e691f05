"""One question about energy and its answer: what the command line asks for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signbin.analysis.accelerators import accelerator
from signbin.analysis.accelerators.cpu import CpuConfiguration, with_plan
from signbin.analysis.accelergy import action_counts_yaml, reference_table_yaml
from signbin.analysis.energy import Estimate, ProcessingArray, estimate
from signbin.analysis.subject import Subject
from signbin.analysis.workload import LayerWorkload, with_activations
from signbin.errors import SpecError
from signbin.spec import ValueSet

__all__ = ["EnergyAnswer", "EnergyRequest", "answer"]

_COMPARED = (ValueSet.BINARY, ValueSet.TERNARY, ValueSet.SIGNED_BINARY)


@dataclasses.dataclass(frozen=True)
class EnergyRequest:
    """A subject on an accelerator, priced by a table.

    accelerator, configuration, table: names, or a file for the last two; None is the
    accelerator's default. dram: whether memory outside the chip is counted. activation_density:
    share of non-zero inputs, one for all layers or by name; None leaves the layers' own.
    compare: also estimate the same shapes as binary, ternary and signed-binary weights. A kind
    that the subject has is the subject itself; the others are drawn, ternary with density 0.71
    and signed-binary with 0.357 or the density asked for: what the same threshold leaves of each.
    """

    subject: Subject
    accelerator: str = "sigma"
    configuration: str | Path | None = None
    table: str | Path | None = None
    dram: bool = False
    activation_density: float | Mapping[str, float] | None = None
    compare: bool = False

    @property
    def array(self) -> ProcessingArray:
        """The array asked for; the CPU runs the layers as the subject's plan says."""
        chosen = self.configuration
        if chosen is None and self.accelerator == "cpu" and self.subject.lanes is not None:
            chosen = f"cpu-{self.subject.lanes}"
        array = ProcessingArray(self.accelerator, chosen, self.dram).resolved()
        plan, configuration = self.subject.plan, array.configuration
        if plan is None or not isinstance(configuration, CpuConfiguration):
            return array
        return dataclasses.replace(array, configuration=with_plan(configuration, plan))

    def drawn(self, value_set: ValueSet, density: float) -> tuple[LayerWorkload, ...]:
        """The subject's shapes as another kind, with the activations asked for."""
        return self.with_inputs(self.subject.of_kind(value_set, density))

    def with_inputs(self, layers: tuple[LayerWorkload, ...]) -> tuple[LayerWorkload, ...]:
        """The layers with the activations asked for."""
        if self.activation_density is None:
            return layers
        return with_activations(layers, self.activation_density)


@dataclasses.dataclass(frozen=True)
class EnergyAnswer:
    """The estimate of the subject as it is, and of the three kinds by name if asked for."""

    subject: Subject
    estimate: Estimate
    kinds: Mapping[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """The estimate's JSON; with other kinds also ``kinds``: name -> its JSON.

        Its workload also says ``name``, ``asked_density`` where zeros were drawn, and
        ``left_out``; its layers say their ``module`` where it is known.
        """
        document = self.estimate.to_json()
        for layer in document["layers"]:
            if layer["name"] in self.subject.modules:
                layer["module"] = self.subject.modules[layer["name"]]
        workload = document["provenance"]["workload"]
        workload |= {"name": self.subject.name, "left_out": list(self.subject.left_out)}
        if self.subject.asked is not None:
            workload["asked_density"] = self.subject.asked
        if self.kinds:
            document["kinds"] = {name: kind.to_json() for name, kind in self.kinds.items()}
        return document

    def accelergy_files(self) -> dict[str, str]:
        """Accelergy's documents of the estimate by file name."""
        return {
            "action_counts.yaml": action_counts_yaml(self.estimate.counts),
            "ERT.yaml": reference_table_yaml(self.estimate.table),
        }


def answer(request: EnergyRequest) -> EnergyAnswer:
    """Estimate what is asked. SpecError, FormatError: anything unknown, impossible or unpriced."""
    subject = request.subject
    if not subject.layers:
        raise SpecError("layers to estimate", value=0, allowed="at least one")
    array = request.array
    table = request.table or accelerator(request.accelerator).table
    own = estimate(request.with_inputs(subject.layers), array, table)
    kinds = {}
    for value_set in _COMPARED if request.compare else ():
        if value_set is subject.value_set:
            kinds[value_set.value] = own
            continue
        drawn = request.drawn(value_set, subject.usual_density(value_set))
        kinds[value_set.value] = estimate(drawn, array, table)
    return EnergyAnswer(subject, own, kinds)
