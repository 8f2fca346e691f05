"""What a thread held when the process was forked holds up nobody in the child."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import signbin
from signbin.locks import ForkedOpenLock, kept_property
from signbin.runtime.sizes import KeptSizes

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


def status_of_child(work, seconds: float = 20) -> int | None:
    """How a forked process ended that does this work; None where it had to be killed."""
    child = os.fork()
    if child == 0:
        os._exit(0 if work() else 1)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None


def while_a_thread_is_inside(enter, work) -> int | None:
    """The child's status, of a process forked while a thread was in ``enter(wait)``."""
    inside, done = threading.Event(), threading.Event()

    def wait() -> int:
        inside.set()
        assert done.wait(60)
        return 1

    thread = threading.Thread(target=lambda: enter(wait))
    thread.start()
    assert inside.wait(60)
    try:
        return status_of_child(work)
    finally:
        done.set()
        thread.join()


def test_a_lock_that_a_thread_held_is_open_in_the_child_and_still_a_lock():
    lock = ForkedOpenLock()

    def enter(wait):
        with lock:
            wait()

    def work():
        with lock:
            return lock._lock.locked()

    assert while_a_thread_is_inside(enter, work) == 0
    with lock:
        assert lock._lock.locked()


def test_a_program_forked_while_another_size_was_planned_plans_its_own():
    sizes = KeptSizes()
    status = while_a_thread_is_inside(
        lambda wait: sizes.of(((1,),), lambda _: wait()),
        lambda: sizes.of(((2,),), lambda _: 2) == 2,
    )
    assert status == 0


def test_linear_layers_pack_in_a_process_forked_while_others_were_packed():
    torch = pytest.importorskip("torch")
    from signbin.nn import Linear, linear

    layer = Linear(torch.tensor([[0, 0.5] * 8, [-2.0, 2] * 8]))
    layer.load_state_dict(layer.state_dict())  # packed anew on the next call

    def enter(wait):
        with linear._PACKING:
            wait()

    def work():
        with torch.inference_mode():
            return np.array_equal(layer(torch.ones(1, 16)).numpy(), [[4, 0]])

    assert while_a_thread_is_inside(enter, work) == 0


class Counted:
    """Computes its value while another thread may look."""

    def __init__(self, compute):
        self.compute = compute

    @kept_property
    def value(self):
        """What is computed."""
        return self.compute()


def test_a_kept_property_is_computed_once_and_is_the_same_for_all():
    calls = []
    counted = Counted(lambda: calls.append(1) or object())
    assert counted.value is counted.value
    assert len(calls) == 1
    assert Counted.value.__doc__ == "What is computed."


def test_a_kept_property_that_a_thread_was_computing_is_computed_in_the_child():
    def enter(wait):
        assert Counted(wait).value

    assert while_a_thread_is_inside(enter, lambda: Counted(lambda: 2).value == 2) == 0


def test_nothing_computes_under_a_lock_that_all_objects_of_a_class_share():
    """As ``functools.cached_property`` does in Python 3.11."""
    for path in Path(signbin.__file__).parent.rglob("*.py"):
        assert "cached_property" not in path.read_text(encoding="utf-8") or path.name == "locks.py"
