"""What a row of the table sees of one node of ONNX, and how it says it in the words of ATen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.draft import OPERATORS, Call, Drafted, Entry, Folded, Unsupported, Variable, shown

__all__ = ["Coded", "Known", "Meaning", "OnnxNode", "Row", "Rows"]

_ABSENT: Final = object()


@dataclasses.dataclass(frozen=True, eq=False)
class Known(Folded):
    """A result that the inputs' numbers do not change.

    twin: the same for another batch, where it depends on how many images there are; else None.
    """

    twin: NDArray[Any] | None = None


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What codes stand for: whole steps of a scale, from the least to the most.

    kind: of whole number that the file stores them as.
    """

    scale: float
    least: int
    most: int
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class Coded(Variable):
    """Codes, as the variable of the numbers that they stand for."""

    meaning: Meaning


@dataclasses.dataclass(frozen=True, eq=False)
class OnnxNode:
    """One node: entries of its inputs (None where left out), attributes by name.

    operator: its type, with its domain where that is not ONNX's own. version: of the opset that
    last changed the operator. shapes: of its results, shape[0] BATCH. name: of the value it
    defines first; names: of all. source: the module it came from. batch: images that known shapes
    were computed for. lead: axes that values have before those that ONNX counts: 1, the batch,
    where the model has none.
    """

    operator: str
    version: int
    inputs: tuple[Entry | None, ...]
    attributes: Mapping[str, Any]
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    source: str
    drafted: Drafted
    batch: int
    lead: int = 0

    @property
    def name(self) -> str:
        """Of the value that the node defines first."""
        return self.names[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of that value."""
        return self.shapes[0]

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute as it is stated, or the default."""
        return self.attributes.get(name, default)

    def text(self, name: str, default: str) -> str:
        """An attribute that is a word."""
        stated = self.attributes.get(name, default)
        return stated.decode() if isinstance(stated, bytes) else str(stated)

    def has(self, position: int) -> bool:
        """Whether an input is stated."""
        return position < len(self.inputs) and self.inputs[position] is not None

    def entry(self, position: int) -> Entry:
        """An input that must be stated."""
        entry = self.inputs[position] if position < len(self.inputs) else None
        if entry is None:
            raise Unsupported(f"input {position} is left out", "export the model again")
        return entry

    def variable(self, position: int = 0) -> Variable:
        """An input that must depend on the inputs of the model."""
        entry = self.entry(position)
        if not isinstance(entry, Variable):
            raise Unsupported(
                f"input {position} does not depend on the model's input",
                "fold constants with the exporting tool",
            )
        return entry

    def axis(self, stated: Any, x: Variable) -> int:
        """An axis of a value as the draft counts them, of one as ONNX does."""
        rank = len(x.shape) - self.lead
        if not -rank <= int(stated) < rank:
            raise Unsupported(f"axis {stated} of {rank}", "check the model with onnx.checker")
        return int(stated) % rank + self.lead

    def known(self, position: int) -> NDArray[Any]:
        """An input that must be known beforehand, and the same for any batch."""
        entry = self.entry(position)
        if not isinstance(entry, Folded):
            raise Unsupported(
                f"input {position} depends on the model's input", "make it a constant"
            )
        if isinstance(entry, Known) and entry.twin is not None:
            raise Unsupported(
                f"input {position} depends on the number of images", "make it a constant"
            )
        return np.asarray(entry.result)

    def stated(self, position: int, attribute: str, default: Any = None) -> Any:
        """Whole numbers or a number that older versions state as attribute, newer ones as input."""
        if self.has(position):
            found = self.known(position)
            return found.tolist()
        return self.attribute(attribute, default)

    def say(
        self,
        operator: str,
        /,
        *,
        shape: tuple[int, ...] | None = None,
        shapes: tuple[tuple[int, ...], ...] | None = None,
        suffix: str = "",
        name: str | None = None,
        **arguments: Any,
    ) -> Entry:
        """The operator of ATen called with these arguments, by the names of its schema."""
        builder = OPERATORS.get(operator if operator == "getitem" else f"aten.{operator}")
        if builder is None:
            raise Unsupported("not supported")
        return builder(self.call(arguments, shape=shape, shapes=shapes, suffix=suffix, name=name))

    def call(
        self,
        arguments: Mapping[str, Any],
        *,
        shape: tuple[int, ...] | None = None,
        shapes: tuple[tuple[int, ...], ...] | None = None,
        suffix: str = "",
        name: str | None = None,
    ) -> Call:
        """A call of the draft with this node's name, source and shape where none are given."""
        shape = self.shape if shape is None else shape
        given = {role: self._named(role, entry) for role, entry in arguments.items()}
        return Call((name or self.name) + suffix, self.source, given, shape, self.drafted, shapes)

    def _named(self, role: str, entry: Any) -> Any:
        """Constants without a name of their own are called after the module and their role."""
        if isinstance(entry, Known) and entry.twin is not None:
            raise Unsupported(f"{role} depends on the number of images", "make it a constant")
        if isinstance(entry, Folded) and not entry.origin and self.source:
            return dataclasses.replace(entry, origin=f"{self.source}.{role}")
        return entry

    def refuse(self, x: Variable, does: str, remedy: str) -> Unsupported:
        """An Unsupported that shows the shape; the caller raises it."""
        return Unsupported(f"{does} {shown(x.shape)}", remedy)


Row: TypeAlias = Callable[[OnnxNode], "Entry | tuple[Entry, ...]"]
"""Says one node in the words of the draft: its result, or its results in order."""
Rows: TypeAlias = Mapping[str, Row]
