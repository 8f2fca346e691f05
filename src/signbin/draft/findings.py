"""What of a model cannot become a graph, and the one error that lists all of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from signbin.errors import CaptureError

__all__ = ["Finding", "raise_findings"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """One operator that cannot be captured.

    source: fully qualified name of the module it stands in, "" where there is none. operator: as
    its own language calls it. remedy: what to do instead.
    """

    source: str
    operator: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        where = self.source or "forward of the model"
        return f"{where}: {self.operator}: {self.reason}; {self.remedy}"


def raise_findings(name: str, findings: Iterable[Finding], allowed: str) -> None:
    """CaptureError with a line for every finding, each once; nothing where there are none."""
    different = tuple(dict.fromkeys(findings))
    lines = [str(finding) for finding in different]
    if not lines:
        return
    count = f"{len(lines)} unsupported layer" + ("s" if len(lines) > 1 else "")
    what = "\n  ".join([f"{name} has {count}:", *lines]) + "\n"
    error = CaptureError(what, allowed=allowed)
    error.findings = different
    raise error
