"""Energy tables: the price of one action, each with its unit, technology node and source.

A table is a TOML file: ``title``, ``unit`` of its totals, ``element_bits`` (the width of one
element moved or computed), and rows ``[[row]]`` with ``action`` (component.action), ``value``,
``unit``, ``node``, ``source`` and, for a price of moving ``bits`` bits, ``bits``. Such a price is
scaled in proportion to the width of the action: one element; one bit (DRAM); a line of 512 bits
(caches). A row of value 0 says in its source why nothing is charged. ``verified = false`` marks a
value quoted from memory, not read in its source; estimates that use it say so.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from signbin.analysis.counts import Action, Component, Counts, action_from_name
from signbin.analysis.units import check_unit, convert
from signbin.errors import FormatError, SpecError
from signbin.files import MOST_SETTINGS_BYTES, read_text
from signbin.locks import kept_property

__all__ = ["EnergyTable", "Price", "load_table", "table_names"]

_FOLDER: Final = Path(__file__).parent / "tables"
_LINE_BITS: Final = 512
_ROW_KEYS: Final = {"action", "value", "unit", "node", "source"}
_OPTIONAL_KEYS: Final = {"bits", "verified"}


@dataclasses.dataclass(frozen=True)
class Price:
    """One row: ``value`` ``unit`` per action, or per ``bits`` bits where bits is given."""

    action: Action
    value: float
    unit: str
    node: str
    source: str
    bits: int | None = None
    verified: bool = True

    def __post_init__(self) -> None:
        what = f"price of {self.action}"
        if not (math.isfinite(self.value) and self.value >= 0):
            raise SpecError(what, value=self.value, allowed="a number >= 0")
        if self.bits is not None and self.bits < 1:
            raise SpecError(f"{what}: bits", value=self.bits, allowed="1 or more")
        if not isinstance(self.verified, bool):
            raise SpecError(f"{what}: verified", value=self.verified, allowed="true or false")
        if not (self.node and self.source):
            raise SpecError(what, value=(self.node, self.source), allowed="a node and a source")
        check_unit(self.unit)


@dataclasses.dataclass(frozen=True)
class EnergyTable:
    """Prices by action; totals come in ``unit``."""

    name: str
    title: str
    unit: str
    element_bits: int
    rows: tuple[Price, ...]

    def __post_init__(self) -> None:
        check_unit(self.unit)
        if self.element_bits < 1:
            raise SpecError(f"table {self.name}: element_bits", value=self.element_bits)
        if len({row.action for row in self.rows}) != len(self.rows):
            raise SpecError(f"table {self.name}", allowed="one row per action")

    @kept_property
    def prices(self) -> Mapping[Action, float]:
        """Energy of one action in the table's unit."""
        return MappingProxyType({row.action: self._price(row) for row in self.rows})

    def _price(self, row: Price) -> float:
        value = convert(row.value, row.unit, self.unit)
        return value if row.bits is None else value * self._width(row.action) / row.bits

    def _width(self, action: Action) -> int:
        if action.component is Component.DRAM:
            return 1
        if action.component in (Component.CACHE_L1, Component.CACHE_L2):
            return _LINE_BITS
        return self.element_bits

    def missing(self, counts: Counts) -> tuple[Action, ...]:
        """Actions that occur in ``counts`` and have no price here."""
        return tuple(action for action in counts.actions if action not in self.prices)

    def unverified(self, counts: Counts) -> tuple[Action, ...]:
        """Actions of ``counts`` whose price was quoted from memory."""
        doubtful = {row.action for row in self.rows if not row.verified}
        return tuple(action for action in counts.actions if action in doubtful)

    def to_json(self) -> dict[str, Any]:
        """Everything, sources included."""
        rows = [
            {**dataclasses.asdict(row), "action": str(row.action), "price": self.prices[row.action]}
            for row in self.rows
        ]
        head = {key: getattr(self, key) for key in ("name", "title", "unit", "element_bits")}
        return {**head, "rows": rows}


def table_names() -> tuple[str, ...]:
    """Names of the shipped tables."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_table(source: str | Path) -> EnergyTable:
    """A shipped table by name, or one from a TOML file; SpecError or FormatError if it is bad."""
    if isinstance(source, str) and not source.endswith(".toml"):
        if source not in table_names():
            raise SpecError(
                "energy table", value=source, allowed=f"{', '.join(table_names())}; or a .toml file"
            )
        source = _FOLDER / f"{source}.toml"
    path = Path(source)
    try:
        document = tomllib.loads(read_text(path, MOST_SETTINGS_BYTES))
    except (OSError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise FormatError(f"energy table {path}", value=str(error)) from error
    try:
        rows = tuple(_row(path, row) for row in document["row"])
        return EnergyTable(
            path.stem, document["title"], document["unit"], int(document["element_bits"]), rows
        )
    except SpecError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(
            f"energy table {path.name}",
            value=str(error),
            allowed="title, unit, a whole element_bits, and [[row]]s with numbers as values",
        ) from error


def _row(path: Path, row: Mapping[str, Any]) -> Price:
    if set(row) - _OPTIONAL_KEYS != _ROW_KEYS:
        allowed = f"{', '.join(sorted(_ROW_KEYS))}; and {', '.join(sorted(_OPTIONAL_KEYS))}"
        raise FormatError(f"row of {path.name}", value=dict(row), allowed=allowed)
    return Price(
        action_from_name(row["action"]),
        float(row["value"]),
        row["unit"],
        row["node"],
        row["source"],
        row.get("bits"),
        row.get("verified", True),
    )
