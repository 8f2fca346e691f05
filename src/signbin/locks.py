"""What threads share and does not hold up a process that is forked meanwhile."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, overload

__all__ = ["ForkedOpenLock", "kept_property"]

_Value = TypeVar("_Value")


class ForkedOpenLock:
    """A lock that is open in a process forked while another thread held it.

    Only the thread that forks lives on in the child; who held the lock does not, and would never
    let go of it. What it guards must be whole between any two operations of Python, as a dict is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _ALL.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def reopen(self) -> None:
        """Forget whoever holds it."""
        self._lock = threading.Lock()


_ALL: Final[weakref.WeakSet[ForkedOpenLock]] = weakref.WeakSet()


def _open_all() -> None:
    for lock in _ALL:
        lock.reopen()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_all)


class kept_property(Generic[_Value]):  # noqa: N801 - read as property is
    """A property that is computed once for an object that has a ``__dict__``, and kept there.

    ``functools.cached_property`` without the lock that it has in Python 3.11, one for all objects
    of the class: a child that was forked while a thread computed one would wait for it forever.
    Threads that ask at once may each compute the value, which they must not tell apart; all are
    given the same object.
    """

    def __init__(self, compute: Callable[[Any], _Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> _Value: ...

    def __get__(self, instance: object | None, owner: type) -> Self | _Value:
        if instance is None:
            return self
        value: _Value = instance.__dict__.setdefault(self._name, self._compute(instance))
        return value
