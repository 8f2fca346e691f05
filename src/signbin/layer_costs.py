"""What the layers of a network cost, by density: curves that travel between rooms and machines."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from signbin import files
from signbin.documents import ReadingRules, from_document, to_document
from signbin.errors import FormatError, SpecError

__all__ = ["CostUnit", "LayerCosts", "LayerShape", "NetworkCosts", "read_costs", "write_costs"]

_VERSION: Final = 1
_CACHES: Final = ("l1_bytes", "l2_bytes", "l3_bytes")
_LARGEST_FILE: Final = 16 * 2**20


class CostUnit(enum.Enum):
    """milliseconds: of one image on one thread of the target. additions: of one image."""

    MILLISECONDS = "milliseconds"
    ADDITIONS = "additions"


@dataclasses.dataclass(frozen=True)
class LayerShape:
    """What a layer's cost depends on beside its weights.

    weight: (K, C/groups, R, S) or (K, C). output: height and width of the output image, (1, 1) for
    a linear layer.
    """

    op: str
    weight: tuple[int, ...]
    groups: int
    stride: int
    output: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.op not in ("conv2d", "linear"):
            raise SpecError("op of a layer", value=self.op, allowed="conv2d, linear")
        spatial = len(self.weight) == 4 if self.op == "conv2d" else len(self.weight) == 2
        numbers = (*self.weight, *self.output, self.groups, self.stride)
        if not spatial or len(self.output) != 2 or min(numbers) < 1:
            raise SpecError("shape of a layer", value=(self.weight, self.output, self.groups))

    @property
    def inputs(self) -> int:
        """M: weights of one filter."""
        return math.prod(self.weight[1:])


@dataclasses.dataclass(frozen=True)
class LayerCosts:
    """The cost of a quantised layer whose filters all have the same number of non-zero codes.

    module: its name in the network. uses: its shapes, one for each place it is used in. counts:
    non-zero codes of a filter, increasing, from 1 to half of its weights, which cost what binary
    weights do. work: what the planner predicts at each of them, in any unit: the key by which
    weights with other patterns are found on the curve. costs: in the unit of the network; neither
    falls.
    """

    module: str
    uses: tuple[LayerShape, ...]
    counts: tuple[int, ...]
    work: tuple[float, ...]
    costs: tuple[float, ...]

    def __post_init__(self) -> None:
        where = f"costs of {self.module}"
        if not self.uses or len({use.weight for use in self.uses}) != 1:
            raise SpecError(f"{where}: uses", allowed="at least one, all of one weight")
        if not len(self.counts) == len(self.work) == len(self.costs) >= 1:
            raise SpecError(f"{where}", allowed="as many counts as work and costs, at least one")
        if self.counts[0] != 1 or any(np.diff(self.counts) < 1) or self.counts[-1] > self.inputs:
            allowed = f"increasing from 1, at most {self.inputs}"
            raise SpecError(f"{where}: counts", value=self.counts, allowed=allowed)
        for name in ("work", "costs"):
            values = getattr(self, name)
            if min(values) < 0 or any(np.diff(values) < 0):
                raise SpecError(f"{where}: {name}", allowed="numbers >= 0 that do not fall")

    @property
    def inputs(self) -> int:
        """M: weights of one filter."""
        return self.uses[0].inputs

    def at(self, count: float) -> float:
        """The cost with so many non-zero codes per filter, linear between the known ones."""
        return float(np.interp(count, self.counts, self.costs))

    def of_work(self, work: float) -> float:
        """The cost of what the planner predicts to be this much work."""
        return float(np.interp(work, self.work, self.costs))


@dataclasses.dataclass(frozen=True)
class NetworkCosts:
    """What a network costs as a function of its layers' densities.

    target: what it costs that on, in words; isa, caches: what a planner needs to know of it ("" and
    nothing for additions, which are the same everywhere). fixed: of everything but ``layers``.
    """

    unit: CostUnit
    target: str
    isa: str
    caches: Mapping[str, int]
    generates: bool
    fixed: float
    layers: tuple[LayerCosts, ...]
    version: int = _VERSION

    def __post_init__(self) -> None:
        if self.version != _VERSION:
            raise SpecError("version of costs", value=self.version, allowed=str(_VERSION))
        if not set(self.caches) <= set(_CACHES) or min(self.caches.values(), default=1) < 1:
            allowed = f"bytes of {', '.join(_CACHES)}"
            raise SpecError("caches of costs", value=dict(self.caches), allowed=allowed)
        if not self.fixed >= 0:
            raise SpecError("fixed cost", value=self.fixed, allowed=">= 0")
        names = [layer.module for layer in self.layers]
        if not names or len(set(names)) != len(names):
            raise SpecError("layers of costs", value=names, allowed="different ones, at least one")

    @property
    def binary(self) -> float:
        """The cost of the same network with binary weights: every layer at density one half."""
        return self.fixed + sum(layer.costs[-1] for layer in self.layers)

    def at(self, counts: Mapping[str, float]) -> float:
        """The cost with so many non-zero codes per filter, by module."""
        return self.fixed + sum(layer.at(counts[layer.module]) for layer in self.layers)

    def at_density(self, density: float) -> float:
        """The cost of the same density everywhere, at least one code per filter."""
        return self.at({one.module: max(1.0, density * one.inputs) for one in self.layers})


def read_costs(path: Path) -> NetworkCosts:
    """Read what :func:`write_costs` wrote; FormatError, with the path, for anything else."""
    rules = ReadingRules(FormatError, str(path), "write it with: signbin costs RECIPE -o FILE")
    try:
        document: Any = json.loads(files.read_text(path, _LARGEST_FILE))
        return from_document(NetworkCosts, document, rules=rules)
    except (OSError, ValueError, RecursionError, SpecError) as error:
        raise FormatError(
            "file of costs", value=str(path), reason=str(error), remedy=rules.remedy
        ) from error


def write_costs(path: Path, costs: NetworkCosts) -> None:
    """Write them as one JSON object; OSError that names the file where that fails."""
    files.write_text(path, json.dumps(to_document(costs), indent=1) + "\n")
