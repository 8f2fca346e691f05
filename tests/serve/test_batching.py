"""A model's thread."""

import asyncio
import threading

import pytest

from signbin.errors import ExecutionError
from signbin.serve.batching import Batcher
from signbin.serve.limits import ServingLimits
from signbin.serve.metrics import ServerMetrics


def test_a_thread_that_the_system_does_not_start_is_told_before_requests_wait(monkeypatch):
    async def begin():
        Batcher("one", ServingLimits(), ServerMetrics()).start()

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(ExecutionError, match="thread of model one: can't start new thread"):
        asyncio.run(begin())
