"""What a build may demand of a check, and what of it was not met."""

from __future__ import annotations

import dataclasses
import math

from signbin.errors import SpecError, nearest
from signbin.verbs.check.record import NetworkCheck, SchemeCheck

__all__ = ["Gates"]


@dataclasses.dataclass(frozen=True)
class Gates:
    """Limits of one scheme; None asks for nothing.

    scheme: which one max_ms and max_kb are held against; None takes the fastest, or the smallest.
    max_kb: of the compiled file, in units of 1,000 bytes. covered: whether every operator has to
    run.
    """

    scheme: str | None = None
    max_ms: float | None = None
    max_kb: float | None = None
    covered: bool = False

    def __post_init__(self) -> None:
        for name in ("max_ms", "max_kb"):
            limit = getattr(self, name)
            if limit is not None and not (math.isfinite(limit) and limit > 0):
                option = f"--{name.replace('_', '-')}"
                raise SpecError(option, value=limit, allowed="a positive number")

    def missed(self, found: NetworkCheck) -> tuple[str, ...]:
        """What was not met, a sentence each. SpecError where the scheme was not checked."""
        if not found.coverage.complete:
            wanted = self.covered or self.max_ms is not None or self.max_kb is not None
            return (f"{len(found.coverage.refused)} operators are refused",) if wanted else ()
        asked = self._asked(found)
        return (*self._slow(found, asked), *self._large(asked))

    def _asked(self, found: NetworkCheck) -> tuple[SchemeCheck, ...]:
        names = [scheme.scheme for scheme in found.schemes]
        if self.scheme is not None and self.scheme not in names:
            remedy = nearest(self.scheme, names)
            raise SpecError("--scheme", value=self.scheme, allowed="; ".join(names), remedy=remedy)
        return tuple(one for one in found.schemes if self.scheme in (None, one.scheme))

    def _slow(self, found: NetworkCheck, asked: tuple[SchemeCheck, ...]) -> tuple[str, ...]:
        if self.max_ms is None:
            return ()
        times = [(one.ms, one.scheme) for one in asked if one.ms is not None]
        if not times:
            return (f"--max-ms: the speed of {found.target} is not known",)
        least, scheme = min(times)
        fits = least <= self.max_ms
        return () if fits else (f"--max-ms {self.max_ms:g}: {scheme} takes {least:.2f} ms",)

    def _large(self, asked: tuple[SchemeCheck, ...]) -> tuple[str, ...]:
        least, scheme = min((one.file_bytes / 1000, one.scheme) for one in asked)
        if self.max_kb is None or least <= self.max_kb:
            return ()
        return (f"--max-kb {self.max_kb:g}: {scheme} takes {least:.0f} kB",)
