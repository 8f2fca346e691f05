"""Engines in processes: the protocol, and every way in which an engine can fail."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from signbin.errors import ExecutionError
from signbin.measure import WorkerProcess, choose_cores


def test_an_engine_computes_on_the_inputs_it_was_given(engine, assignment):
    with WorkerProcess(engine(), assignment) as worker:
        assert np.array_equal(worker.output, 2 * np.load(assignment.images))
        assert worker.facts.told == {"version": "1", "options": {"isa": "auto"}}


def test_times_come_from_inside_the_process(engine, assignment):
    sleepy = """
import time
def open_model(request):
    def run(images):
        time.sleep(0.01)
        return images
    return run, {"version": "1"}
"""
    with WorkerProcess(engine(sleepy), assignment) as worker:
        seconds = worker.run(5)
    assert len(seconds) == 5
    assert all(0.01 <= second < 1 for second in seconds)


def test_an_engine_runs_on_the_cores_it_was_given(engine, assignment):
    source = """
import os
def open_model(request):
    return (lambda images: images), {"cores": sorted(os.sched_getaffinity(0)),
                                     "openmp": os.environ["OMP_NUM_THREADS"]}
"""
    before = os.sched_getaffinity(0)
    with WorkerProcess(engine(source), assignment) as worker:
        assert tuple(worker.facts.told["cores"]) == assignment.cores == worker.facts.cores
        assert worker.facts.told["openmp"] == "1"
    assert os.sched_getaffinity(0) == before


def test_peak_memory_is_that_of_the_engine_not_of_this_process(engine, assignment):
    ballast = np.ones(40_000_000, np.float32)  # 160 MB here, which the engine does not have
    source = """
import numpy
def open_model(request):
    numpy.ones(20_000_000, numpy.float32)
    return (lambda images: images), {"version": "1"}
"""
    with WorkerProcess(engine(source), assignment) as worker:
        memory = worker.memory()
    assert ballast.nbytes == 160_000_000
    grown = memory["peak_bytes"] - memory["baseline_bytes"]
    assert 70_000_000 < grown < 110_000_000
    assert memory["baseline_bytes"] < 100_000_000


def test_what_an_engine_prints_does_not_disturb_the_answers(engine, assignment):
    noisy = """
import os
print("hello")
def open_model(request):
    os.write(1, b"from C\\n")
    return (lambda images: images), {"version": "1"}
"""
    with WorkerProcess(engine(noisy), assignment) as worker:
        assert len(worker.run(2)) == 2


def test_two_processes_can_run_at_the_same_time(engine, assignment):
    with WorkerProcess(engine(), assignment) as one, WorkerProcess(engine(), assignment) as two:
        one.start(2)
        two.start(3)
        assert (len(one.finish()), len(two.finish())) == (2, 3)


def test_a_missing_engine_names_what_to_install_and_the_way_around(engine, assignment):
    with pytest.raises(ExecutionError) as caught:
        WorkerProcess(engine("import no_such_engine", name="absent"), assignment)
    message = str(caught.value)
    assert "pip install some-package" in message
    assert "--peer-python absent=PATH" in message


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def open_model(request): raise ValueError('bad model')", "ValueError: bad model"),
        ("import os; os._exit(3)", "ended"),
        ("import os, sys; sys.stderr.write('boom\\n'); sys.stderr.flush(); os._exit(3)", "boom"),
        ("x = 1", "open_model"),
    ],
    ids=["raises", "dies", "dies with a word", "is none"],
)
def test_an_engine_that_cannot_open_the_model_is_an_error_that_says_why(
    engine, assignment, source, said
):
    with pytest.raises(ExecutionError, match=said):
        WorkerProcess(engine(source), assignment)


def test_an_engine_that_fails_while_it_is_timed_is_an_error(engine, assignment):
    source = """
calls = []
def open_model(request):
    def run(images):
        calls.append(1)
        if len(calls) > 2:
            raise RuntimeError("worn out")
        return images
    return run, {"version": "1"}
"""
    with (
        WorkerProcess(engine(source), assignment) as worker,
        pytest.raises(ExecutionError, match="worn out"),
    ):
        worker.run(5)


def test_leaving_ends_the_process(engine, assignment):
    source = """
import os
def open_model(request):
    return (lambda images: images), {"process": os.getpid()}
"""
    with WorkerProcess(engine(source), assignment) as worker:
        process = worker.facts.told["process"]
        assert Path(f"/proc/{process}").exists()
    assert not Path(f"/proc/{process}").exists()


def test_an_interpreter_of_another_environment_does_not_see_our_paths(
    engine, assignment, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", "/somewhere/of/ours")
    source = """
import sys
def open_model(request):
    return (lambda images: images), {"ours": "/somewhere/of/ours" in sys.path}
"""
    with WorkerProcess(engine(source), assignment, Path(sys.executable)) as worker:
        assert worker.facts.told["ours"] is False
    with WorkerProcess(engine(source), assignment) as worker:
        assert worker.facts.told["ours"] is True


def test_an_interpreter_that_is_none_is_an_error(engine, assignment, tmp_path):
    with pytest.raises(ExecutionError, match="--peer-python double=PATH"):
        WorkerProcess(engine(), assignment, tmp_path / "no-python")


def test_cores_are_as_many_as_threads_and_among_the_allowed():
    allowed = sorted(os.sched_getaffinity(0))
    assert choose_cores(1) == (allowed[-1],)
    assert choose_cores(len(allowed)) == tuple(allowed)
    with pytest.raises(ExecutionError, match="cores this process may use"):
        choose_cores(len(allowed) + 1)
    with pytest.raises(ValueError, match="1 or more"):
        choose_cores(0)
