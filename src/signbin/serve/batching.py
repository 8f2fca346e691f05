"""Batches made of requests that wait at the same time, one model at a time."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError
from signbin.serve.limits import ServingLimits
from signbin.serve.metrics import ServerMetrics
from signbin.serve.models import Opened

__all__ = ["Batcher", "QueueFullError"]

Arrays: TypeAlias = Mapping[str, NDArray[Any]]


class QueueFullError(Exception):
    """As many requests wait as may."""


@dataclasses.dataclass(eq=False)
class _Waiting:
    opened: Opened
    arrays: Arrays
    rows: int
    since: float
    answer: asyncio.Future[list[NDArray[Any]]]

    @property
    def kind(self) -> tuple[Any, ...]:
        """Requests of one kind can be one batch."""
        forms = ((name, a.dtype.str, a.shape[1:]) for name, a in sorted(self.arrays.items()))
        return (self.opened.generation, *forms)


class Batcher:
    """The queue of one model: the oldest request, and those like it that have come in time.

    While a batch runs, others wait, and are the next batch. Where nothing runs, the oldest waits
    for at most ``delay_ms`` until there are ``batch`` rows. One thread runs the model.
    """

    def __init__(self, name: str, limits: ServingLimits, metrics: ServerMetrics) -> None:
        self._name, self._limits, self._metrics = name, limits, metrics
        self._waiting: deque[_Waiting] = deque()
        self._came = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"signbin-{name}")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to answer; on the loop that it belongs to.

        ExecutionError where the system starts no thread: now, and not when the first request waits.
        """
        try:
            self._thread.submit(int)
        except RuntimeError as error:
            raise ExecutionError(
                f"thread of model {self._name}",
                reason=str(error),
                remedy="serve fewer models, or permit this process more threads",
            ) from error
        self._task = asyncio.get_running_loop().create_task(self._answer())

    async def stop(self) -> None:
        """End, whatever waits."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._thread.shutdown(wait=True)

    async def ask(self, opened: Opened, arrays: Arrays, rows: int) -> list[NDArray[Any]]:
        """Outputs of one request; QueueFullError where too many wait."""
        if len(self._waiting) >= self._limits.queue:
            raise QueueFullError
        loop = asyncio.get_running_loop()
        waiting = _Waiting(opened, arrays, rows, loop.time(), loop.create_future())
        self._waiting.append(waiting)
        self._metrics.queue(self._name, len(self._waiting))
        self._came.set()
        return await waiting.answer

    async def _answer(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._first()
            batch = self._taken()
            if not batch:
                continue
            for each in batch:
                self._metrics.waited(self._name, loop.time() - each.since)
            self._metrics.batch(self._name, sum(each.rows for each in batch))
            await loop.run_in_executor(self._thread, _run, batch, loop)

    async def _first(self) -> None:
        """Wait for a request, and then for others to come with it."""
        loop = asyncio.get_running_loop()
        while not self._waiting:
            self._came.clear()
            await self._came.wait()
        until = self._waiting[0].since + self._limits.delay_ms / 1000
        while sum(each.rows for each in self._waiting) < self._limits.batch:
            left = until - loop.time()
            if left <= 0:
                return
            self._came.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._came.wait(), left)

    def _taken(self) -> list[_Waiting]:
        """The oldest that is still waited for, and those of its kind as far as they fit."""
        batch: list[_Waiting] = []
        kept: deque[_Waiting] = deque()
        rows = 0
        for each in self._waiting:
            if each.answer.done():  # nobody waits for it any more
                continue
            alike = not batch or each.kind == batch[0].kind
            if alike and (not batch or rows + each.rows <= self._limits.batch):
                batch.append(each)
                rows += each.rows
            else:
                kept.append(each)
        self._waiting = kept
        self._metrics.queue(self._name, len(kept))
        return batch


def _run(batch: list[_Waiting], loop: asyncio.AbstractEventLoop) -> None:
    """On the model's thread: run them together; each by itself where together they fail."""
    try:
        outputs = batch[0].opened.run(_joined(batch))
    except Exception as error:  # whatever it is, it is the answer
        if len(batch) > 1:
            for each in batch:
                _run([each], loop)
            return
        loop.call_soon_threadsafe(_settle, batch[0], error)
        return
    first = 0
    for each in batch:
        mine = [array[first : first + each.rows] for array in outputs]
        first += each.rows
        loop.call_soon_threadsafe(_settle, each, mine)


def _joined(batch: list[_Waiting]) -> dict[str, NDArray[Any]]:
    if len(batch) == 1:
        return dict(batch[0].arrays)
    names = batch[0].arrays
    return {name: np.concatenate([each.arrays[name] for each in batch]) for name in names}


def _settle(waiting: _Waiting, answer: list[NDArray[Any]] | Exception) -> None:
    if waiting.answer.done():
        return
    if isinstance(answer, Exception):
        waiting.answer.set_exception(answer)
    else:
        waiting.answer.set_result(answer)
