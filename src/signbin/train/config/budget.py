"""What a trained network may cost."""

from __future__ import annotations

import dataclasses
import enum
from typing import Final

from signbin.errors import SpecError
from signbin.layer_costs import CostUnit
from signbin.train.config.checks import check_at_least

__all__ = ["Allocation", "BudgetConfig"]


class Allocation(enum.Enum):
    """How densities are chosen: energy, see :func:`signbin.train.allocation.allocate`; uniform,
    the largest density that all layers can have.
    """

    ENERGY = "energy"
    UNIFORM = "uniform"


_LIMITS: Final = ("milliseconds", "additions", "share_of_milliseconds", "share_of_additions")


@dataclasses.dataclass(frozen=True)
class BudgetConfig:
    """What a network of signed-binary weights may cost; the densities of its layers follow.

    Exactly one of: milliseconds, of one image on one thread; additions of its quantised layers per
    image, as ``signbin analyze`` counts them for the bucket walk; or either as a share of what the
    same network costs with binary weights.

    target: the instruction set whose milliseconds count, measured on this machine before training;
    auto takes its best. costs: a file of ``signbin costs``, measured on another machine, in place
    of target. allocation: how densities are chosen. after_epochs: so many epochs are trained at
    natural density, and what their weights are then decides; 0 decides from the initial weights.
    Densities stay as they are from then on. least_density: of any layer.
    """

    milliseconds: float | None = None
    additions: float | None = None
    share_of_milliseconds: float | None = None
    share_of_additions: float | None = None
    target: str = "auto"
    costs: str | None = None
    allocation: Allocation = Allocation.ENERGY
    after_epochs: int = 1
    least_density: float = 0.01

    def __post_init__(self) -> None:
        given = [name for name in _LIMITS if getattr(self, name) is not None]
        if len(given) != 1:
            raise SpecError("budget", value=given, allowed=f"exactly one of {', '.join(_LIMITS)}")
        limit = getattr(self, given[0])
        largest = 1.0 if given[0].startswith("share") else float("inf")
        if not 0 < limit <= largest:
            allowed = "0 < x <= 1" if largest == 1 else "> 0"
            raise SpecError(f"budget.{given[0]}", value=limit, allowed=allowed)
        check_at_least("budget.after_epochs", self.after_epochs, 0)
        if not 0 < self.least_density <= 0.5:
            allowed = "0 < x <= 0.5"
            raise SpecError("budget.least_density", value=self.least_density, allowed=allowed)
        if self.unit is CostUnit.ADDITIONS and (self.costs is not None or self.target != "auto"):
            raise SpecError(
                "budget.target and budget.costs",
                value=(self.target, self.costs),
                allowed=f"none beside {given[0]}: additions are the same everywhere",
            )
        if self.costs is not None and self.target != "auto":
            raise SpecError(
                "budget.target", value=self.target, allowed="none beside costs, whose file says it"
            )

    @property
    def key(self) -> str:
        """The limit that is given, as it is called in a recipe."""
        return next(name for name in _LIMITS if getattr(self, name) is not None)

    @property
    def unit(self) -> CostUnit:
        """What the limit is counted in."""
        return CostUnit(self.key.removeprefix("share_of_"))

    def limit(self, binary: float) -> float:
        """The budget in its unit; ``binary``: what the network costs with binary weights."""
        value: float = getattr(self, self.key)
        return value * binary if self.key.startswith("share_of_") else value
