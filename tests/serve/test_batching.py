"""The queue of a model by itself: one batch runs, the next is put together meanwhile."""

import asyncio
import dataclasses
import threading
import time

import numpy as np
import pytest

from signbin.errors import ExecutionError
from signbin.serve.batching import Batcher
from signbin.serve.limits import ServingLimits
from signbin.serve.metrics import ServerMetrics

BATCH = 4


@dataclasses.dataclass(eq=False)
class Doubling:
    """Stands where a model does: doubles, when it is let, and knows how it was called."""

    generation: int = 1
    let: threading.Event = dataclasses.field(default_factory=threading.Event)
    running: int = 0
    most_running: int = 0
    sizes: list[int] = dataclasses.field(default_factory=list)

    def run(self, arrays):
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.sizes.append(len(arrays["x"]))
        assert self.let.wait(60)
        time.sleep(0.01)
        self.running -= 1
        if (arrays["x"] < 0).any():
            raise ValueError("a negative number")
        return [2 * arrays["x"]]


def serve(check, **limits):
    """What check(batcher, model) finds on a loop."""

    async def main():
        metrics = ServerMetrics()
        batcher, model = Batcher("one", ServingLimits(batch=BATCH, **limits), metrics), Doubling()
        batcher.start()
        try:
            await check(batcher, model, metrics)
        finally:
            model.let.set()
            await batcher.stop()

    asyncio.run(asyncio.wait_for(main(), 60))


def waiting(metrics):
    (line,) = (
        each for each in metrics.text().decode().splitlines() if each.startswith("signbin_queue_r")
    )
    return float(line.rpartition(" ")[2])


def ask(batcher, model, numbers):
    """One request per number, in order."""
    return [
        asyncio.ensure_future(batcher.ask(model, {"x": np.array([[number]])}, 1))
        for number in numbers
    ]


def test_a_full_batch_is_taken_while_one_runs_and_the_model_runs_one_at_a_time():
    async def check(batcher, model, metrics):
        asked = ask(batcher, model, range(3 * BATCH))
        while not model.sizes or waiting(metrics) > BATCH:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        assert model.sizes == [BATCH]  # one runs, the second is ready, the third waits
        assert waiting(metrics) == BATCH
        model.let.set()
        answers = await asyncio.gather(*asked)
        assert [float(answer[0][0, 0]) for answer in answers] == [
            2.0 * number for number in range(3 * BATCH)
        ]
        assert model.sizes == [BATCH] * 3
        assert model.most_running == 1

    serve(check)


def test_what_does_not_fill_a_batch_waits_for_the_one_that_runs_and_for_nothing_else():
    async def check(batcher, model, metrics):
        first = ask(batcher, model, [1])
        while not model.sizes:
            await asyncio.sleep(0.001)
        others = ask(batcher, model, [2, 3])
        await asyncio.sleep(0.05)
        assert model.sizes == [1]
        model.let.set()
        await asyncio.gather(*first, *others)
        assert model.sizes == [1, 2]

    serve(check)


def test_a_request_that_fails_fails_alone():
    async def check(batcher, model, metrics):
        model.let.set()
        asked = ask(batcher, model, [1, -1, 3, 4])
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(answers[1], ValueError)
        assert [float(answers[place][0][0, 0]) for place in (0, 2, 3)] == [2, 6, 8]

    serve(check)


@pytest.mark.parametrize("delay_ms", [0, 100])
def test_where_nothing_runs_a_request_waits_as_long_as_was_asked_for(delay_ms):
    async def check(batcher, model, metrics):
        model.let.set()
        began = time.monotonic()
        await asyncio.gather(*ask(batcher, model, [1]))
        assert time.monotonic() - began >= delay_ms / 1000
        assert model.sizes == [1]

    serve(check, delay_ms=delay_ms)


def test_a_thread_that_the_system_does_not_start_is_told_before_requests_wait(monkeypatch):
    async def begin():
        Batcher("one", ServingLimits(), ServerMetrics()).start()

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(ExecutionError, match="threads of model one: can't start new thread"):
        asyncio.run(begin())
