"""The sums of a whole layer: its convolution groups' lists as one."""

from __future__ import annotations

import dataclasses
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.spec import LowBitWeight
from signbin.sums.budget import UNLIMITED, Budget
from signbin.sums.sum_list import SumList
from signbin.sums.wanted import BinaryForm, WantedSums, wanted_sums

__all__ = ["Algorithm", "LayerSums", "layer_sums"]


class Algorithm(Protocol):
    """Makes a list of shared sums of digits (K, M)."""

    def build(self, digits: NDArray[np.int8], budget: Budget = UNLIMITED) -> SumList:
        """The list that sums every filter; OverBudget where that takes too much."""


@dataclasses.dataclass(frozen=True, eq=False)
class LayerSums:
    """What a layer sums, and how.

    wanted: what is summed. sum_list: filters of all convolution groups, counted through; inputs
    are those of one group, and every segment serves one group. form: how binary filters are summed.
    """

    wanted: WantedSums
    sum_list: SumList
    form: BinaryForm

    @property
    def additions(self) -> int:
        """Of the list; the shared total of binary filters comes on top."""
        return self.sum_list.additions


def layer_sums(
    weight: LowBitWeight,
    algorithm: Algorithm,
    form: BinaryForm = BinaryForm.SHARED_TOTAL,
    convolution_groups: int = 1,
    budget: Budget = UNLIMITED,
) -> LayerSums:
    """Build the sums of ``weight``; SpecError where the groups do not divide the filters.

    OverBudget where ``budget`` does not suffice.
    """
    filters = weight.shape[0]
    if convolution_groups < 1 or filters % convolution_groups:
        raise SpecError(
            "convolution groups", value=convolution_groups, allowed=f"a divisor of {filters}"
        )
    wanted = wanted_sums(weight, form)
    parts = np.split(wanted.digits, convolution_groups)
    return LayerSums(wanted, _joined([algorithm.build(part, budget) for part in parts]), form)


_NOTHING: Final = np.zeros(1, np.int32)


def _joined(sum_lists: list[SumList]) -> SumList:
    """Lists over the same number of inputs side by side; their filters follow one another."""
    if len(sum_lists) == 1:
        return sum_lists[0]
    inputs, filters = sum_lists[0].inputs, sum_lists[0].filters
    starts, operands, roles, segments = [_NOTHING], [_NOTHING[1:]], [_NOTHING[1:]], [_NOTHING]
    nodes = used = 0
    for number, sum_list in enumerate(sum_lists):
        moved = np.where(sum_list.operands >> 1 < inputs, 0, 2 * nodes)
        starts.append(sum_list.starts[1:] + used)
        operands.append(sum_list.operands + moved)
        roles.append(
            np.where(sum_list.roles >= 0, sum_list.roles + number * filters, sum_list.roles)
        )
        segments.append(sum_list.segments[1:] + nodes)
        nodes += sum_list.nodes
        used += len(sum_list.operands)
    arrays = (np.concatenate(part).astype(np.int32) for part in (starts, operands, roles, segments))
    return SumList(inputs, filters * len(sum_lists), *arrays)
