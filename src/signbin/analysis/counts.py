"""What is counted: the ONE list of components and actions, and bags of counts.

Every accelerator model fills a :class:`Counts`; every energy table prices some of these actions.
An action on data moves or computes one element (its width belongs to the table), except those
whose description says "bits".
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from signbin.errors import SpecError

__all__ = ["Action", "Component", "Counts", "action_from_name", "total"]


class Component(enum.Enum):
    """The parts energy is broken down by."""

    MULTIPLIER = "multiplier"
    ADDER = "adder"
    ACCUMULATOR = "accumulator"
    DISTRIBUTION_SWITCH = "distribution_switch"
    DISTRIBUTION_WIRE = "distribution_wire"
    MULTIPLIER_WIRE = "multiplier_wire"
    REDUCTION_WIRE = "reduction_wire"
    COLLECTION_WIRE = "collection_wire"
    OPERAND_REGISTER = "operand_register"
    LOCAL_BUFFER = "local_buffer"
    INDEX_BUFFER = "index_buffer"
    INTERSECTION = "intersection"
    GLOBAL_BUFFER = "global_buffer"
    INSTRUCTION = "instruction"
    VECTOR_LANE = "vector_lane"
    CACHE_L1 = "cache_l1"
    CACHE_L2 = "cache_l2"
    DRAM = "dram"


class Action(enum.Enum):
    """component, action, definition of the count."""

    MULTIPLY = (Component.MULTIPLIER, "multiply", "products of a weight and an activation")
    GATED = (Component.MULTIPLIER, "gated", "products suppressed by clock gating, unit idle")
    FORWARD = (Component.MULTIPLIER, "forward", "partial sums passed through a multiplier")
    MULTIPLIER_CYCLE = (Component.MULTIPLIER, "static", "multipliers times cycles")
    ADD = (Component.ADDER, "add", "additions; three operands in one adder are one action")
    ADDER_CYCLE = (Component.ADDER, "static", "adders times cycles")
    ACCUMULATE = (Component.ACCUMULATOR, "accumulate", "additions into an accumulator")
    ACCUMULATOR_CYCLE = (Component.ACCUMULATOR, "static", "accumulators times cycles")
    ROUTE = (Component.DISTRIBUTION_SWITCH, "route", "packets through a distribution switch")
    SWITCH_CYCLE = (Component.DISTRIBUTION_SWITCH, "static", "switches times cycles")
    DISTRIBUTE = (Component.DISTRIBUTION_WIRE, "transfer", "transfers on wires buffer to array")
    PASS = (Component.MULTIPLIER_WIRE, "transfer", "transfers between neighbouring multipliers")
    REDUCE = (Component.REDUCTION_WIRE, "transfer", "transfers into adders")
    COLLECT = (Component.COLLECTION_WIRE, "transfer", "transfers on wires array to buffer")
    REGISTER_READ = (
        Component.OPERAND_REGISTER,
        "read",
        "reads of registers in processing elements",
    )
    REGISTER_WRITE = (Component.OPERAND_REGISTER, "write", "writes of registers in elements")
    LOCAL_READ = (Component.LOCAL_BUFFER, "read", "reads of scratchpads in processing elements")
    LOCAL_WRITE = (Component.LOCAL_BUFFER, "write", "writes of scratchpads in elements")
    INDEX_READ = (Component.INDEX_BUFFER, "read", "reads of indirection entries")
    COMPARE = (Component.INTERSECTION, "compare", "coordinates examined by an intersection unit")
    BUFFER_READ = (Component.GLOBAL_BUFFER, "read", "elements read from the global buffer")
    BUFFER_WRITE = (Component.GLOBAL_BUFFER, "write", "elements written to the global buffer")
    BUFFER_CYCLE = (Component.GLOBAL_BUFFER, "static", "buffers times cycles")
    VECTOR_ADD = (Component.INSTRUCTION, "vector_add", "vector addition instructions")
    VECTOR_LOAD = (Component.INSTRUCTION, "vector_load", "vector load instructions")
    VECTOR_STORE = (Component.INSTRUCTION, "vector_store", "vector store instructions")
    VECTOR_MULTIPLY = (Component.INSTRUCTION, "vector_multiply", "vector multiply-add instructions")
    SCALAR = (Component.INSTRUCTION, "scalar", "address, offset and branch instructions")
    LANE_ADD = (Component.VECTOR_LANE, "add", "additions in lanes of vector instructions")
    LANE_MULTIPLY = (Component.VECTOR_LANE, "multiply_add", "multiply-adds in lanes that work")
    L1_ACCESS = (Component.CACHE_L1, "access", "cache lines read or written in L1")
    L2_ACCESS = (Component.CACHE_L2, "access", "cache lines moved between L2 and L1")
    DRAM_READ = (Component.DRAM, "read", "bits read from memory outside the chip")
    DRAM_WRITE = (Component.DRAM, "write", "bits written to memory outside the chip")

    def __init__(self, component: Component, action: str, definition: str) -> None:
        self.component = component
        self.action = action
        self.definition = definition

    def __str__(self) -> str:
        return f"{self.component.value}.{self.action}"


Number: TypeAlias = int | float
_BY_NAME: Mapping[str, Action] = MappingProxyType({str(action): action for action in Action})


def action_from_name(name: str) -> Action:
    """``component.action`` -> Action; SpecError names the unknown component or action."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    component, _, action = name.partition(".")
    components = {item.value for item in Component}
    if component not in components:
        raise SpecError("unknown component", value=component, allowed=", ".join(sorted(components)))
    own = [item.action for item in Action if item.component.value == component]
    raise SpecError(f"unknown action of {component}", value=action, allowed=", ".join(own))


@dataclasses.dataclass(frozen=True)
class Counts:
    """Cycles and actions of one layer or of several, in execution order one after the other.

    Counts of layers add (``+``): cycles because layers do not overlap, actions always. Actions
    that do not occur are absent.
    """

    cycles: Number
    actions: Mapping[Action, Number]

    def __post_init__(self) -> None:
        if self.cycles < 0 or any(number < 0 for number in self.actions.values()):
            raise SpecError("counts", allowed="none negative")
        kept = {action: self.actions[action] for action in Action if self.actions.get(action)}
        object.__setattr__(self, "actions", MappingProxyType(kept))

    def __add__(self, other: Counts) -> Counts:
        names = {**self.actions, **other.actions}
        return Counts(
            self.cycles + other.cycles, {action: self[action] + other[action] for action in names}
        )

    def __getitem__(self, action: Action) -> Number:
        return self.actions.get(action, 0)

    def repeated(self, times: int) -> Counts:
        """The same work ``times`` times in sequence."""
        return Counts(
            self.cycles * times, {action: count * times for action, count in self.actions.items()}
        )

    def to_json(self) -> dict[str, Any]:
        """``{"cycles": ..., "actions": {"component.action": count}}``."""
        named = {str(action): count for action, count in self.actions.items()}
        return {"cycles": self.cycles, "actions": named}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Counts:
        """Read what :meth:`to_json` wrote."""
        actions = document["actions"]
        return cls(document["cycles"], {action_from_name(name): actions[name] for name in actions})


def total(counts: Iterable[Counts]) -> Counts:
    """Sum of counts; nothing is zero cycles and no action."""
    result = Counts(0, {})
    for one in counts:
        result = result + one
    return result
