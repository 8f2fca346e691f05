"""What a row of the operator table sees of one operator call, and what it may answer."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.draft.low_bit import recognize
from signbin.ir import (
    BATCH,
    AttributeValue,
    Constant,
    ConstRef,
    Graph,
    Node,
    TensorType,
    Value,
)
from signbin.ir.form import Form

__all__ = [
    "Call",
    "Drafted",
    "Entry",
    "Folded",
    "NodeBuilder",
    "Parts",
    "Regrouped",
    "Symbolic",
    "Unsupported",
    "Variable",
    "elements",
    "expect_modest",
    "legal_name",
    "shown",
]


_LONGEST_NAME: Final = 200
_MOST_MADE: Final = 2**24
_OF_ELEMENTS: Final = frozenset(("relu", "leaky_relu", "clamp", "unary"))
_OF_CHANNELS: Final = frozenset(("batch_norm", "channel_bias", "prelu"))
_OF_PAIRS: Final = frozenset(("add", "subtract", "multiply"))


class Unsupported(Exception):
    """Why one node has no counterpart in the IR; becomes a line of the CaptureError."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclasses.dataclass(frozen=True)
class Variable:
    """A tensor that depends on the inputs: the value ``name`` of the graph, seen as ``shape``.

    shape[0] is BATCH. shape differs from stored (the value's shape in the graph) after a reshape
    no node has been made for yet; the order of the elements is always the same.
    """

    name: str
    shape: tuple[int, ...]
    stored: tuple[int, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Folded:
    """A result that depends on parameters only, computed at capture.

    origin: fully qualified name of the parameter it is, "" where it was computed from several.
    """

    result: Any
    origin: str = ""


@dataclasses.dataclass(frozen=True)
class Symbolic:
    """A number that depends on the batch; shapes are read from the results instead."""


@dataclasses.dataclass(frozen=True)
class Parts:
    """The results of a split along an axis: (first, count) of each.

    dropped: each has one, and lacks the axis.
    """

    whole: Variable
    ranges: tuple[tuple[int, int], ...]
    axis: int = 1
    dropped: bool = False


@dataclasses.dataclass(frozen=True)
class Regrouped:
    """Channels seen as [N, C/groups, groups, H, W], transposed, until a view puts them together."""

    whole: Variable
    groups: int


Entry: TypeAlias = Variable | Folded | Symbolic | Parts | Regrouped


@dataclasses.dataclass
class Drafted:
    """The graph under construction: nodes in order and constants by name."""

    nodes: list[Node] = dataclasses.field(default_factory=list)
    constants: dict[str, Constant] = dataclasses.field(default_factory=dict)
    views: dict[tuple[str, tuple[int, ...]], Variable] = dataclasses.field(default_factory=dict)
    stored: dict[str, Variable] = dataclasses.field(default_factory=dict)
    anchor: Variable | None = None
    """Any input: what is the same for every image has as many of them as it has."""
    names: set[str] = dataclasses.field(default_factory=set)
    """Of values that are no nodes, the inputs; those of nodes are added when they are asked for."""

    def is_taken(self, name: str) -> bool:
        """Whether a value has the name."""
        known = self.names
        for node in reversed(self.nodes):
            if node.name in known:
                break
            known.add(node.name)
        return name in known

    def free(self, name: str) -> str:
        """The name, or one like it that no value has."""
        while self.is_taken(name):
            name += "_"
        return name

    def node(self, name: str) -> Node | None:
        """The node drafted under a name; None for graph inputs."""
        return next((node for node in reversed(self.nodes) if node.name == name), None)

    def reshaped(self, x: Variable, source: str, name: str = "") -> Variable:
        """The variable as a value of its own shape: by a node, made once, where it was reshaped.

        name: of that node, where it is the first to have it.
        """
        if x.shape == x.stored:
            return x
        made = self.views.get((x.name, x.shape))
        if made is None:
            number = sum(viewed == x.name for viewed, _ in self.views)
            if not name or self.node(name) is not None:
                name = self.free(f"{x.name}.view" + (f"_{number}" if number else ""))
            attributes: dict[str, AttributeValue] = {"shape": x.shape[1:]}
            flat = len(x.shape) == 2
            op = "flatten" if flat else "reshape"
            kind = TensorType("f32", x.shape)
            self.nodes.append(Node(name, op, (x.name,), {} if flat else attributes, kind, source))
            made = self.views[x.name, x.shape] = Variable(name, x.shape, x.shape)
            self.stored[name] = Variable(x.name, x.stored, x.stored)
        return made

    def before_views(
        self, op: str, inputs: tuple[Variable, ...], shape: tuple[int, ...]
    ) -> tuple[Variable, ...] | None:
        """The inputs as they were before they were reshaped, where the op does not mind.

        So a chain of such ops works on one layout, and no element is moved in between.
        """
        origins = tuple(self.stored[each.name] for each in inputs if each.name in self.stored)
        if len(origins) < len(inputs) or any(each.shape != shape for each in inputs):
            return None
        same = all(each.shape == origins[0].shape for each in origins)
        kept = op in _OF_ELEMENTS or (op in _OF_PAIRS and same)
        if op in _OF_CHANNELS:
            kept = origins[0].shape[1] == shape[1]
        return origins if kept else None

    def constant(self, name: str, constant: Constant) -> ConstRef:
        """A reference to a constant; one name never stands for two different constants."""
        free, number = name, 0
        while free in self.constants and not _same(self.constants[free], constant):
            number += 1
            free = f"{name}.{number}"
        self.constants.setdefault(free, constant)
        return ConstRef(free)

    def graph(
        self,
        name: str,
        inputs: tuple[Value, ...],
        outputs: tuple[str, ...],
        form: Form | None = None,
    ) -> Graph:
        """The graph without nodes that nothing reads (the first slices of a merged chain)."""
        read = set(outputs)
        kept = []
        for node in reversed(self.nodes):
            if node.name in read:
                kept.append(node)
                read.update(node.inputs)
        kept.reverse()
        used = {name for node in kept for name in node.constant_names()}
        constants = {name: array for name, array in self.constants.items() if name in used}
        return Graph(name, inputs, tuple(kept), outputs, constants, form)


def _same(first: Constant, second: Constant) -> bool:
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return np.array_equal(first, second)
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return False
    return np.array_equal(first.dequantized(), second.dequantized())


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """One operator call: arguments by the names of its schema, defaults filled in.

    name: the value it will define. source: the module it came from. shape: of its
    result, or of the first of several; None where that is not a tensor. shapes: of several
    results; None where there is one.
    """

    name: str
    source: str
    arguments: Mapping[str, Any]
    shape: tuple[int, ...] | None
    drafted: Drafted
    shapes: tuple[tuple[int, ...], ...] | None = None

    def get(self, argument: str) -> Any:
        """A plain argument, as it is."""
        return self.arguments[argument]

    def expect(self, argument: str, wanted: object, remedy: str = "") -> None:
        """Refuse any other value of an argument."""
        if self.arguments.get(argument, wanted) != wanted:
            raise Unsupported(
                f"{argument}={self.arguments[argument]} is not supported, only {wanted}", remedy
            )

    def variable(self, argument: str, rank: int | None = None) -> Variable:
        """An argument that must be a value of the graph, of the given rank."""
        return self.value_of(self.arguments[argument], argument, rank)

    def value_of(self, entry: Any, argument: str, rank: int | None = None) -> Variable:
        """The same of one entry of an argument that is a list."""
        if isinstance(entry, Regrouped):
            raise Unsupported(
                f"{argument} has its channels in groups, transposed",
                "bring them back to [N, C, H, W] with a view first",
            )
        if not isinstance(entry, Variable):
            raise Unsupported(
                f"{argument} does not depend on the model's input",
                "compute it once, outside forward",
            )
        if rank is not None and len(entry.shape) != rank:
            raise Unsupported(
                f"{argument} has shape {shown(entry.shape)}, only rank {rank} is supported"
            )
        return self.drafted.reshaped(entry, self.source)

    def array(self, argument: str) -> NDArray[np.float32]:
        """An argument that must be known beforehand: a parameter, or computed from some.

        The result of a Folded is whatever numpy makes an array of, a tensor of PyTorch among them.
        """
        entry = self.arguments[argument]
        if not isinstance(entry, Folded) or not hasattr(entry.result, "__array__"):
            raise Unsupported(
                f"{argument} depends on the model's input",
                "only parameters and what is computed from them can be used there",
            )
        try:
            found = np.asarray(entry.result)
        except TypeError as error:  # a kind of number that numpy lacks, as bfloat16
            raise Unsupported(f"{argument}: {error}", "keep parameters in float32") from None
        if not np.isfinite(found).all():
            raise Unsupported(f"{argument} has NaN or infinite values")
        return np.ascontiguousarray(found, dtype=np.float32)

    def constant(self, argument: str, array: NDArray[np.float32] | None = None) -> ConstRef:
        """A reference to an argument's array, or to what was derived from it."""
        array = self.array(argument) if array is None else array
        if 0 in array.strides:  # one number stands for many
            expect_modest(array.size, argument)
        held = np.array(array, dtype=np.float32)  # a copy: graphs share no memory with models
        held.setflags(write=False)
        return self.drafted.constant(self._constant_name(argument), held)

    def weight(self, argument: str, array: NDArray[np.float32] | None = None) -> ConstRef:
        """Like constant, in logical form where the values are low-bit."""
        array = self.array(argument) if array is None else array
        low_bit = recognize(np.ascontiguousarray(array))
        if low_bit is None:
            return self.constant(argument, array)
        return self.drafted.constant(self._constant_name(argument), low_bit)

    def _constant_name(self, argument: str) -> str:
        entry = self.arguments.get(argument)
        origin = entry.origin if isinstance(entry, Folded) else ""
        return legal_name(origin or f"{self.name}.{argument}")

    def emit(
        self,
        op: str,
        inputs: tuple[Variable, ...],
        attributes: Mapping[str, AttributeValue],
        shape: tuple[int, ...] | None = None,
        suffix: str = "",
    ) -> Variable:
        """Add a node; without shape it has the shape of the call's result."""
        shape = shape or self.shape
        if shape is None:
            raise Unsupported("its result is not one tensor")
        name, stored = self.drafted.free(self.name + suffix), shape
        origins = self.drafted.before_views(op, inputs, shape)
        if origins is not None:
            inputs, stored = origins, origins[0].shape
        names = tuple(variable.name for variable in inputs)
        kind = TensorType("f32", stored)
        self.drafted.nodes.append(Node(name, op, names, attributes, kind, self.source))
        return Variable(name, shape, stored)


NodeBuilder: TypeAlias = Callable[[Call], Entry]


def expect_modest(numbers: int, what: str) -> None:
    """Unsupported where a constant that a reader would make up has too many numbers."""
    if numbers > _MOST_MADE:
        raise Unsupported(f"{what} of {numbers:.3g} numbers", f"use {_MOST_MADE} at most")


def legal_name(text: str) -> str:
    """The text as a name of the IR: other characters become '_', a leading digit gets one."""
    name = re.sub(r"[^A-Za-z0-9_.]", "_", text)[:_LONGEST_NAME]
    return name if name[:1].isalpha() or name[:1] == "_" else f"_{name}"


def shown(shape: tuple[int, ...]) -> str:
    """A shape as people write it: ``[N, 8, 4, 4]``."""
    return "[" + ", ".join("N" if extent == BATCH else str(extent) for extent in shape) + "]"


def elements(shape: tuple[int, ...]) -> int:
    """Elements of one image."""
    return math.prod(shape[1:])
