"""The one form of every way to share sums: a frozen list, each sum after those it is made of.

Inputs, temporaries and filters; every temporary and every filter is a signed sum of inputs and
of temporaries before it. A frozen, verified, printable object: the algorithms of this room make
it, analysis counts it, the native library runs it.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.locks import kept_property

__all__ = ["DROPPED", "TEMPORARY", "SumList"]

TEMPORARY: Final = -1
"""Role of a node that other nodes use."""
DROPPED: Final = -2
"""Role of a sum that is computed and used by nothing: zeros treated as one more value."""

Indices = NDArray[np.int32]


@dataclasses.dataclass(frozen=True, eq=False)
class SumList:
    """Sums of M inputs for K filters, cut into segments.

    Node n is the sum of operands[starts[n] : starts[n + 1]]; an operand is
    2 * index + minus, where index < M is an input and M + n is node n. roles[n]: the filter whose
    sum it is, TEMPORARY or DROPPED. segments: (segments + 1,), first node of each segment and the
    number of nodes. A node uses temporaries of its own segment, before it; a filter occurs at
    most once in a segment, and its value is the sum over all segments (0 where it occurs in
    none). No node is empty; a temporary has at least two operands, the first without a minus.

    SpecError where the arrays say anything else.
    """

    inputs: int
    filters: int
    starts: Indices
    operands: Indices
    roles: Indices
    segments: Indices

    def __post_init__(self) -> None:
        for array in (self.starts, self.operands, self.roles, self.segments):
            array.setflags(write=False)
        problem = _problem(self)
        if problem is not None:
            raise SpecError("list of shared sums", reason=problem, allowed="see SumList")

    @property
    def nodes(self) -> int:
        """Temporaries, filters' sums and dropped sums."""
        return len(self.roles)

    @property
    def arities(self) -> Indices:
        """Operands of every node, (nodes,)."""
        return np.diff(self.starts)

    @kept_property
    def additions(self) -> int:
        """Additions and subtractions that computing all filters once takes.

        A sum of n operands takes n - 1, or n where it begins with a subtraction (0 - x); adding
        it to what earlier segments left of its filter takes one more.
        """
        begins_with_plus = self.operands[self.starts[:-1]] % 2 == 0
        filters = self.roles[self.roles >= 0]
        later = len(filters) - len(np.unique(filters))
        return len(self.operands) - int(np.count_nonzero(begins_with_plus)) + later

    @property
    def loads(self) -> int:
        """Operands read, temporaries included; filters that are added to are not counted."""
        return len(self.operands)

    @property
    def temporaries(self) -> int:
        """Sums that are kept for other nodes."""
        return int(np.count_nonzero(self.roles == TEMPORARY))

    @property
    def size_bytes(self) -> int:
        """Two bytes for every operand and for the target of every node."""
        return 2 * (len(self.operands) + self.nodes)

    def evaluate(self, inputs: NDArray[np.generic]) -> NDArray[np.generic]:
        """The sums of all filters for ``inputs`` (M, pixels), in the dtype given: the oracle.

        Slow on purpose: node by node, as the definition reads.
        """
        if inputs.ndim != 2 or len(inputs) != self.inputs:
            raise SpecError(
                "inputs of a list of shared sums",
                value=inputs.shape,
                allowed=f"({self.inputs}, pixels)",
            )
        values = np.zeros((self.inputs + self.nodes, inputs.shape[1]), dtype=inputs.dtype)
        values[: self.inputs] = inputs
        result = np.zeros((self.filters, inputs.shape[1]), dtype=inputs.dtype)
        for node in range(self.nodes):
            operands = self.operands[self.starts[node] : self.starts[node + 1]]
            plus, minus = operands[operands % 2 == 0] // 2, operands[operands % 2 == 1] // 2
            value = values[plus].sum(axis=0, dtype=inputs.dtype)
            value -= values[minus].sum(axis=0, dtype=inputs.dtype)
            values[self.inputs + node] = value
            if self.roles[node] >= 0:
                result[self.roles[node]] += value
        return result

    def __str__(self) -> str:
        return (
            f"list of shared sums: {self.inputs} inputs, {self.filters} filters, "
            f"{self.additions} additions, {self.temporaries} temporaries, "
            f"{len(self.segments) - 1} segments"
        )


def _problem(sum_list: SumList) -> str | None:
    """What is wrong with the arrays; None where nothing is."""
    arrays = (sum_list.starts, sum_list.operands, sum_list.roles, sum_list.segments)
    if any(array.dtype != np.int32 or array.ndim != 1 for array in arrays):
        return "an array is not flat int32"
    if sum_list.inputs < 1 or sum_list.filters < 1:
        return f"{sum_list.inputs} inputs and {sum_list.filters} filters"
    for name, array, end in (
        ("starts", sum_list.starts, len(sum_list.operands)),
        ("segments", sum_list.segments, sum_list.nodes),
    ):
        if not len(array) or array[0] != 0 or array[-1] != end or np.any(np.diff(array) < 1):
            return f"{name} do not ascend from 0 to {end}"
    if len(sum_list.starts) != sum_list.nodes + 1:
        return f"{len(sum_list.starts)} starts for {sum_list.nodes} nodes"
    if np.any((sum_list.roles < DROPPED) | (sum_list.roles >= sum_list.filters)):
        return "a role that is no filter"
    return _operand_problem(sum_list) or _role_problem(sum_list)


def _operand_problem(sum_list: SumList) -> str | None:
    index = sum_list.operands >> 1
    if np.any(index < 0) or np.any(index >= sum_list.inputs + sum_list.nodes):
        return "an operand that is neither input nor node"
    used = index - sum_list.inputs
    of_node = np.repeat(np.arange(sum_list.nodes), sum_list.arities)
    inner = used >= 0
    segment = np.searchsorted(sum_list.segments, np.arange(sum_list.nodes), side="right")
    if np.any(used[inner] >= of_node[inner]):
        return "a node that uses a later one"
    if np.any(segment[used[inner]] != segment[of_node[inner]]):
        return "a node that uses one of another segment"
    if np.any(sum_list.roles[used[inner]] != TEMPORARY):
        return "a node that uses what is no temporary"
    return None


def _role_problem(sum_list: SumList) -> str | None:
    temporary = sum_list.roles == TEMPORARY
    if np.any(sum_list.arities[temporary] < 2):
        return "a temporary of fewer than two operands"
    if np.any(sum_list.operands[sum_list.starts[:-1][temporary]] % 2):
        return "a temporary that begins with a subtraction"
    segment = np.searchsorted(sum_list.segments, np.arange(sum_list.nodes), side="right")
    pairs = segment[sum_list.roles >= 0].astype(np.int64) * sum_list.filters
    pairs += sum_list.roles[sum_list.roles >= 0]
    if len(np.unique(pairs)) != len(pairs):
        return "a filter twice in a segment"
    return None
