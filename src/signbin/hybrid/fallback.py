"""What is asked of a fallback; needs neither ONNX nor its runtime."""

from __future__ import annotations

import dataclasses
import enum

from signbin.errors import SpecError
from signbin.measure import Schedule

__all__ = ["Fallback", "Preference", "as_fallback"]


class Preference(enum.Enum):
    """Who decides: the clock, or whoever asks for parts of signbin's wherever there can be any."""

    FASTEST = "fastest"
    SIGNBIN = "signbin"


@dataclasses.dataclass(frozen=True)
class Fallback:
    """What runs what signbin cannot, or not faster, and how that is decided.

    engine: ``onnxruntime``, the only one. prefer: ``fastest`` times every way; ``signbin`` does
    not ask the clock, as a test needs: signbin gets all parts that it can run and that have a layer
    of some size. rounds: turns of every way.
    """

    engine: str = "onnxruntime"
    prefer: Preference = Preference.FASTEST
    rounds: int = 7

    def __post_init__(self) -> None:
        if self.engine != "onnxruntime":
            raise SpecError("fallback", value=self.engine, allowed="None or 'onnxruntime'")
        if not isinstance(self.prefer, Preference):
            object.__setattr__(self, "prefer", _preference(self.prefer))
        _ = self.schedule  # checks the rounds

    @property
    def schedule(self) -> Schedule:
        """How long whole networks are timed."""
        return Schedule(rounds=self.rounds, warm_up_s=0.1, turn_s=0.05)


def _preference(word: object) -> Preference:
    try:
        return Preference(word)
    except ValueError as error:
        allowed = ", ".join(each.value for each in Preference)
        raise SpecError("fallback prefer", value=word, allowed=allowed) from error


def as_fallback(asked: str | Fallback) -> Fallback:
    """A Fallback, or one by the name of its engine; SpecError for anything else."""
    return asked if isinstance(asked, Fallback) else Fallback(asked)
