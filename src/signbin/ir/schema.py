"""What a row of the op table is made of: attributes, the op itself, and what its rules see."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from signbin.errors import VerifyError
from signbin.ir.graph import AttributeValue, Constant, ConstRef, Node, TensorType
from signbin.ir.requantization import Held, Requantization

__all__ = [
    "MAX_AXIS",
    "MAX_ELEMENTS",
    "MAX_WINDOW",
    "Arguments",
    "Array",
    "Attribute",
    "AttributeKind",
    "IntegerReference",
    "Margins",
    "Op",
    "Shape",
    "TypeRule",
    "margins",
]

MAX_WINDOW: Final = 2**16
"""Largest whole-number attribute: kernel, stride, padding, dilation, groups, channels."""
MAX_AXIS: Final = 5
"""Last axis a value can have; the batch is axis 0."""
MAX_ELEMENTS: Final = 2**28
"""Most elements of one value per image, of a padded input, or of one constant (1 GiB of f32)."""

Array: TypeAlias = NDArray[np.float64]
Shape: TypeAlias = tuple[int, ...]
Margins: TypeAlias = tuple[int, int, int, int]
"""Above, left, below and right of an image."""


def margins(stated: AttributeValue | None) -> Margins:
    """What a MARGINS attribute says: (top, left, bottom, right).

    Two numbers are (vertical, horizontal), the same on both sides.

    >>> margins((1, 2)), margins((0, 0, 1, 1))
    ((1, 2, 1, 2), (0, 0, 1, 1))
    """
    numbers = cast(tuple[int, ...], stated)
    top, left, bottom, right = numbers if len(numbers) == 4 else numbers * 2
    return top, left, bottom, right


class TypeRule(enum.Enum):
    """Which types an op reads and writes; the value is how an error message says it."""

    REAL = "f32 -> f32"
    REQUANTIZED = "f32 -> f32, or u8 -> u8 or f32"
    KEPT = "f32 -> f32, or u8 -> u8 of the same scale, zero point and bits"
    JOINED = "f32 -> f32, or u8 of any scales -> u8 or f32"
    QUANTIZED = "f32 -> u8"
    DEQUANTIZED = "u8 -> f32"


class AttributeKind(enum.Enum):
    """Types an attribute can have; the value is how an error message names them."""

    BOOL = "true or false"
    INT = "a whole number"
    FLOAT = "a real number"
    WORD = "a word"
    PAIR = "two whole numbers"
    MARGINS = "two whole numbers, or four"
    NUMBERS = "one to eight whole numbers"
    CONSTANT = "a reference to a constant"


@dataclasses.dataclass(frozen=True)
class Attribute:
    """One attribute of an op.

    default: the value when a node does not state it; None for an attribute that must be stated,
    or, with optional (constants only), may be absent. minimum, maximum: inclusive bounds of
    numbers, of all members of a pair or of margins. infinite: whether -inf and inf are allowed.
    words: the values of a WORD. shape: expected shape of a constant, None for a free extent.
    weight: whether a constant is a weight, which may be a LowBitWeight or an IntegerWeight.
    """

    kind: AttributeKind
    default: AttributeValue | None = None
    optional: bool = False
    minimum: float = -np.inf
    maximum: float = np.inf
    infinite: bool = False
    words: tuple[str, ...] = ()
    shape: Callable[[Arguments], tuple[int | None, ...]] | None = None
    weight: bool = False

    @property
    def required(self) -> bool:
        """Whether every node of the op must state it."""
        return self.default is None and not self.optional


IntegerReference: TypeAlias = "Callable[[Arguments, Requantization | None, tuple[Held, ...]], Held]"
"""(arguments, the node's constants unless it keeps codes as they are, operands) -> result."""


@dataclasses.dataclass(frozen=True)
class Op:
    """One row of the op table.

    formula: what it computes, for people; on_codes: how, on codes q with zero point z, "" where
    that has a table of its own or does not occur. least_inputs, most_inputs: how many values it
    reads. shape_rule: shape of the result; raises VerifyError where the inputs do not fit. types:
    which types it reads and writes. reference: the numpy definition on f32; reads float32 inputs,
    accumulates in float64, and its result is rounded to float32 once. integer_reference: the
    definition where a u8 value is read or written; its result is final, uint8 or float32. Each is
    None where ``types`` rules it out.

    What others want to know of its numbers, see properties.py. identity: whether a node returns
    its input as it is; None: never. rectifies: whether nothing below zero comes out, whatever
    goes in; None: never. keeps_sign: nothing below zero comes out where nothing below zero goes
    in, but where lowers says so of a node; None: of none. terms: how many codes one sum adds, each
    as often as its weight says; None: one. pads_with_least: padding of its windows counts as the
    least number or code, not as zero. looked_up: every element is a function of one number, so
    that on codes its reference makes a table of all results.
    """

    name: str
    formula: str
    attributes: Mapping[str, Attribute]
    shape_rule: Callable[[Arguments], Shape]
    reference: Callable[[Arguments, tuple[Array, ...]], Array] | None
    types: TypeRule = TypeRule.REAL
    integer_reference: IntegerReference | None = None
    least_inputs: int = 1
    most_inputs: int = 1
    on_codes: str = ""
    identity: Callable[[Arguments], bool] | None = None
    rectifies: Callable[[Arguments], bool] | None = None
    keeps_sign: bool = False
    lowers: Callable[[Arguments], bool] | None = None
    terms: Callable[[Arguments], int] | None = None
    pads_with_least: bool = False
    looked_up: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))

    def resolve(self, node: Node) -> dict[str, AttributeValue | None]:
        """The node's attributes in table order, defaults filled in, None for absent constants."""
        return {
            name: node.attributes.get(name, attribute.default)
            for name, attribute in self.attributes.items()
        }


@dataclasses.dataclass(frozen=True, eq=False)
class Arguments:
    """What a shape rule or a reference sees of one node.

    inputs: types of the values it reads. attributes: resolved by :meth:`Op.resolve`.
    constants: the graph's.
    """

    node: Node
    inputs: tuple[TensorType, ...]
    attributes: Mapping[str, AttributeValue | None]
    constants: Mapping[str, Constant]

    def refusal(
        self, what: str, *, value: object, allowed: str, remedy: str = "change the node"
    ) -> VerifyError:
        """An error that names the node; the caller raises it."""
        return VerifyError(
            f"node %{self.node.name} ({self.node.op}): {what}",
            value=value,
            allowed=allowed,
            remedy=remedy,
        )

    @property
    def quantized(self) -> bool:
        """Whether the node reads or writes a u8 value."""
        return any(type_.dtype == "u8" for type_ in (*self.inputs, self.node.type))

    @property
    def channels(self) -> int:
        """Channels of the first input: its second extent."""
        return self.inputs[0].shape[1]

    def pair(self, name: str) -> tuple[int, int]:
        """A PAIR attribute: (vertical, horizontal)."""
        return cast(tuple[int, int], self.attributes[name])

    def margins(self, name: str) -> Margins:
        """A MARGINS attribute: (top, left, bottom, right)."""
        return margins(self.attributes[name])

    def numbers(self, name: str) -> tuple[int, ...]:
        """A NUMBERS attribute."""
        return cast(tuple[int, ...], self.attributes[name])

    def integer(self, name: str) -> int:
        """An INT attribute."""
        return cast(int, self.attributes[name])

    def real(self, name: str) -> float:
        """A FLOAT attribute."""
        return cast(float, self.attributes[name])

    def flag(self, name: str) -> bool:
        """A BOOL attribute."""
        return cast(bool, self.attributes[name])

    def word(self, name: str) -> str:
        """A WORD attribute."""
        return cast(str, self.attributes[name])

    def has(self, name: str) -> bool:
        """Whether an optional constant is stated."""
        return self.attributes[name] is not None

    def constant(self, name: str) -> Constant:
        """The constant an attribute refers to, as it is."""
        return self.constants[cast(ConstRef, self.attributes[name]).name]

    def constant_shape(self, name: str) -> tuple[int, ...]:
        """Shape of the constant an attribute refers to."""
        return tuple(self.constant(name).shape)

    def array(self, name: str) -> Array:
        """The constant an attribute refers to, dequantised where it has codes, as float64."""
        constant = self.constant(name)
        dense = constant if isinstance(constant, np.ndarray) else constant.dequantized()
        return dense.astype(np.float64)
