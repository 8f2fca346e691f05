"""How long finding shared sums may take, and how much memory: for whoever did not choose them."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Final

from signbin.errors import PlanError

__all__ = ["UNLIMITED", "Budget", "OverBudget"]

# Above what numpy was seen to take at once, of any algorithm, form and sub-block.
_BYTES_PER_WEIGHT: Final = 100
_BYTES_PER_SUB_BLOCK: Final = 3000


class OverBudget(PlanError):
    """The sums were not found within the time or the memory there is."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """until: of time.monotonic(), looked at before every sub-block. memory: in bytes."""

    until: float = math.inf
    memory: float = math.inf

    def check_time(self) -> None:
        """OverBudget once it is past."""
        if time.monotonic() >= self.until:
            raise OverBudget("its sums were not found in the time there is (max_seconds)")

    def check_memory(self, shape: tuple[int, int], filters: int, inputs: int) -> None:
        """OverBudget where lists of (K, M) from sub-blocks of ``filters`` x ``inputs`` need more.

        Estimated, never too low: 100 bytes of every weight and 3000 of every sub-block.
        """
        blocks = -(-shape[0] // max(filters, 1)) * -(-shape[1] // max(inputs, 1))
        needed = _BYTES_PER_WEIGHT * shape[0] * shape[1] + _BYTES_PER_SUB_BLOCK * blocks
        if needed > self.memory:
            raise OverBudget(f"its sums may take {needed:,} bytes to find (max_memory)")


UNLIMITED: Final = Budget()
