"""Programs of one network for inputs of other extents."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeAlias, TypeVar

from signbin.locks import ForkedOpenLock

__all__ = ["MOST_KEPT", "Extents", "KeptSizes"]

Extents: TypeAlias = tuple[tuple[int, ...], ...]
"""Of all inputs in order, without the batch."""

MOST_KEPT: Final = 4
"""Sizes whose programs are kept beside the one that was compiled: the last used ones."""

_Made = TypeVar("_Made")


class KeptSizes(Generic[_Made]):
    """What was made for extents, the last few. Any number of threads may ask.

    While one thread makes something, others wait for it: planning takes all cores there are. It
    holds nobody who makes: a program that holds it is freed as soon as nothing else does.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[Extents, _Made] = OrderedDict()
        self._lock = ForkedOpenLock()

    def of(self, extents: Extents, make: Callable[[Extents], _Made]) -> _Made:
        """The one for these extents; made now where it is not kept."""
        with self._lock:
            if extents not in self._kept:
                self._kept[extents] = make(extents)
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(extents)
            return self._kept[extents]

    def __len__(self) -> int:
        return len(self._kept)
