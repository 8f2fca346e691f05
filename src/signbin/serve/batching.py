"""Batches made of requests that wait at the same time, one model at a time."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError
from signbin.serve.limits import ServingLimits
from signbin.serve.metrics import ServerMetrics
from signbin.serve.models import Opened

__all__ = ["Batcher", "QueueFullError"]

Arrays: TypeAlias = Mapping[str, NDArray[Any]]

_BATCHES: Final = 2  # one that runs, and the one that is put together for when it has run


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

    While a batch runs, others wait, and are the next batch: as soon as it is full it is put
    together, so that the model goes on with it at once. Where nothing runs, the oldest waits for at
    most ``delay_ms`` until there are ``batch`` rows. One thread at a time runs the model.
    """

    def __init__(self, name: str, limits: ServingLimits, metrics: ServerMetrics) -> None:
        self._name, self._limits, self._metrics = name, limits, metrics
        self._waiting: deque[_Waiting] = deque()
        self._changed = asyncio.Event()
        self._at_work = 0
        self._turn = threading.Lock()
        self._threads = ThreadPoolExecutor(_BATCHES, thread_name_prefix=f"signbin-{name}")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to answer; on the loop that it belongs to.

        ExecutionError where the system starts no thread: now, and not when the first request waits.
        """
        all_there = threading.Barrier(_BATCHES)
        try:
            for _ in range(_BATCHES):
                self._threads.submit(all_there.wait)
        except RuntimeError as error:
            all_there.abort()
            raise ExecutionError(
                f"threads of model {self._name}",
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
        self._threads.shutdown(wait=True)

    async def ask(self, opened: Opened, arrays: Arrays, rows: int) -> list[NDArray[Any]]:
        """Outputs of one request; QueueFullError where too many wait."""
        if len(self._waiting) >= self._limits.queue:
            raise QueueFullError
        loop = asyncio.get_running_loop()
        waiting = _Waiting(opened, arrays, rows, loop.time(), loop.create_future())
        self._waiting.append(waiting)
        self._metrics.queue(self._name, len(self._waiting))
        self._changed.set()
        return await waiting.answer

    async def _answer(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._due()
            batch = self._taken()
            if not batch:
                continue
            for each in batch:
                self._metrics.waited(self._name, loop.time() - each.since)
            self._metrics.batch(self._name, sum(each.rows for each in batch))
            self._at_work += 1
            work = loop.run_in_executor(self._threads, _run, batch, self._turn, loop)
            work.add_done_callback(self._ended)

    def _ended(self, work: asyncio.Future[None]) -> None:
        del work
        self._at_work -= 1
        self._changed.set()

    async def _due(self) -> None:
        """Wait for a batch: a full one, or, where nothing runs, what has come in time."""
        loop = asyncio.get_running_loop()
        while True:
            left: float | None = None
            if self._waiting and self._at_work < _BATCHES:
                if sum(each.rows for each in self._waiting) >= self._limits.batch:
                    return
                if not self._at_work:
                    left = self._waiting[0].since + self._limits.delay_ms / 1000 - loop.time()
                    if left <= 0:
                        return
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

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


def _run(batch: list[_Waiting], turn: threading.Lock, loop: asyncio.AbstractEventLoop) -> None:
    """On a thread of the model's: run them together; each by itself where together they fail."""
    try:
        arrays = _joined(batch)
        with turn:
            outputs = batch[0].opened.run(arrays)
    except Exception as error:  # whatever it is, it is the answer
        if len(batch) > 1:
            for each in batch:
                _run([each], turn, loop)
            return
        loop.call_soon_threadsafe(_settle, batch, [error])
        return
    ends = list(itertools.accumulate(each.rows for each in batch))
    starts = [0, *ends[:-1]]
    answers = [
        [array[start:end] for array in outputs] for start, end in zip(starts, ends, strict=True)
    ]
    loop.call_soon_threadsafe(_settle, batch, answers)


def _joined(batch: list[_Waiting]) -> dict[str, NDArray[Any]]:
    if len(batch) == 1:
        return dict(batch[0].arrays)
    names = batch[0].arrays
    return {name: np.concatenate([each.arrays[name] for each in batch]) for name in names}


def _settle(batch: list[_Waiting], answers: Sequence[list[NDArray[Any]] | Exception]) -> None:
    for waiting, answer in zip(batch, answers, strict=True):
        if waiting.answer.done():  # nobody waits for it any more
            continue
        if isinstance(answer, Exception):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)
