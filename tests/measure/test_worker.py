"""Engines in processes: the protocol, and every way in which an engine can fail."""

import dataclasses
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from signbin.errors import ExecutionError
from signbin.measure import PrepareTask, WorkerProcess, choose_cores, prepare_model


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
    return (lambda images: images), {"version": "1", "cores": sorted(os.sched_getaffinity(0)),
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
    assert "pip install 'signbin[some-extra]' (some-package)" in message
    assert "--peer-python some=PATH" in message


def test_an_engine_missing_from_another_environment_is_installed_there(engine, assignment):
    with pytest.raises(ExecutionError) as caught:
        WorkerProcess(engine("import no_such_engine"), assignment, Path(sys.executable))
    assert f"{sys.executable} -m pip install numpy some-package" in str(caught.value)


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


READY = {
    "event": "ready",
    "import_ms": 1.0,
    "load_ms": 1.0,
    "threads": 1,
    "cores": [0],
    "facts": {"version": "1"},
}


def says(line: str, output: str = "numpy.zeros((2, 3), 'float32')") -> str:
    """An engine that answers ``open`` with a line of its own, past the program around it."""
    return f"""
import gc, io, numpy, sys
def open_model(request):
    numpy.save(request["output"], {output})
    answers = [each for each in gc.get_objects() if isinstance(each, io.TextIOWrapper)
               and each.fileno() > 2 and each.mode == "w"]
    answers[0].write({line!r} + "\\n")
    answers[0].flush()
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"load_ms": None}, "as load_ms"),
        ({"load_ms": -1.0}, "as load_ms"),
        ({"import_ms": "1"}, "as import_ms"),
        ({"import_ms": True}, "as import_ms"),
        ({"threads": [1]}, "as threads"),
        ({"cores": [0, 1]}, "as cores"),
        ({"cores": None}, "as cores"),
        ({"facts": []}, "as facts"),
        ({"facts": {}}, "did not say its version"),
        ({"facts": {"version": 1}}, "did not say its version"),
        ({"event": "times"}, "instead of 'ready'"),
    ],
)
def test_an_answer_that_is_none_is_an_error(engine, assignment, change, said):
    line = json.dumps({**READY, **change})
    with pytest.raises(ExecutionError, match=said):
        WorkerProcess(engine(says(line)), assignment)


@pytest.mark.parametrize("line", ["nonsense", "[1]", "null", "[" * 100_000, '{"event": "ready"'])
def test_a_line_that_is_no_answer_is_an_error(engine, assignment, line):
    with pytest.raises(ExecutionError, match="instead of"):
        WorkerProcess(engine(says(line)), assignment)


def test_a_line_without_end_is_an_error(engine, assignment):
    with pytest.raises(ExecutionError, match="bytes in one line"):
        WorkerProcess(engine(says("x" * (5 << 20))), assignment)


@pytest.mark.parametrize(
    "output",
    ["numpy.zeros((2, 3))", "numpy.float32(1)", "numpy.zeros(3, 'S4')", "[[1], {}]"],
    ids=["float64", "no array", "words", "objects"],
)
def test_an_output_of_another_kind_is_an_error(engine, assignment, output):
    if output == "[[1], {}]":
        output = "numpy.array([[1], {}], dtype=object)"
    with pytest.raises(ExecutionError, match="wrote"):
        WorkerProcess(engine(says(json.dumps(READY), output)), assignment)


@pytest.mark.parametrize("seconds", ["[-1.0]", "[1.0, 1.0]", "[]", "['1']", "[float('nan')]"])
def test_times_that_are_none_are_an_error(engine, assignment, seconds):
    source = f"""
import __main__
def open_model(request):
    __main__.Worker._time = lambda self, request: {{"event": "times", "seconds": {seconds}}}
    return (lambda images: images), {{"version": "1"}}
"""
    with (
        WorkerProcess(engine(source), assignment) as worker,
        pytest.raises(ExecutionError, match="as seconds"),
    ):
        worker.run(1)


def test_more_images_are_checked_than_are_timed_at_a_time(engine, assignment, tmp_path):
    source = """
def open_model(request):
    assert request["shape"] == [2, 3]
    def run(images):
        assert images.shape == (2, 3)
        return 2 * images
    return run, {"version": "1"}
"""
    checked = np.arange(15, dtype=np.float32).reshape(5, 3)
    np.save(tmp_path / "checked.npy", checked)
    given = dataclasses.replace(assignment, checked=tmp_path / "checked.npy")
    with WorkerProcess(engine(source), given) as worker:
        assert np.array_equal(worker.output, 2 * checked)


def test_an_output_that_is_used_again_is_copied(engine, assignment, tmp_path):
    source = """
import numpy
def open_model(request):
    kept = numpy.zeros((2, 3), numpy.float32)
    def run(images):
        kept[:] = images
        return kept
    return run, {"version": "1"}
"""
    checked = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.save(tmp_path / "checked.npy", checked)
    given = dataclasses.replace(assignment, checked=tmp_path / "checked.npy")
    with WorkerProcess(engine(source), given) as worker:
        assert np.array_equal(worker.output, checked)


def test_variables_are_set_for_the_process_alone(engine, assignment):
    source = """
import os
def open_model(request):
    return (lambda images: images), {"version": "1", "limit": os.environ.get("SOME_LIMIT")}
"""
    limited = dataclasses.replace(assignment, variables={"SOME_LIMIT": "narrow"})
    with WorkerProcess(engine(source), limited) as worker:
        assert worker.facts.told["limit"] == "narrow"
        assert worker.facts.variables == {"SOME_LIMIT": "narrow"}
    assert "SOME_LIMIT" not in os.environ
    with WorkerProcess(engine(source), assignment) as worker:
        assert worker.facts.told["limit"] is None


@pytest.fixture
def task(assignment, tmp_path):
    (tmp_path / "model").write_text("weights")
    return PrepareTask(
        assignment.model, assignment.images, tmp_path / "prepared.txt", assignment.cores
    )


def test_a_preparation_makes_a_file_in_a_process_of_its_own(preparation, task):
    source = """
import numpy, os
def prepare_model(request):
    images = numpy.load(request["calibration"])
    open(request["output"], "w").write(open(request["model"]).read() + f" {images.max():.0f}")
    return {"version": "2", "process": os.getpid()}
"""
    facts = prepare_model(preparation(source, "maker"), task)
    assert task.output.read_text() == "weights 5"
    assert facts["version"] == "2"
    assert facts["process"] != os.getpid()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def prepare_model(request): return {}", "wrote no model"),
        ("def prepare_model(request): return None", "as facts"),
        ("def prepare_model(request): raise ValueError('bad')", "ValueError: bad"),
        ("import no_such_package", "signbin\\[some-extra\\]"),
    ],
)
def test_a_preparation_that_fails_is_an_error(preparation, task, source, said):
    with pytest.raises(ExecutionError, match=said):
        prepare_model(preparation(source, "maker"), task)


def test_leaving_ends_the_process(engine, assignment):
    source = """
import os
def open_model(request):
    return (lambda images: images), {"version": "1", "process": os.getpid()}
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
    return (lambda images: images), {"version": "1", "ours": "/somewhere/of/ours" in sys.path}
"""
    with WorkerProcess(engine(source), assignment, Path(sys.executable)) as worker:
        assert worker.facts.told["ours"] is False
    with WorkerProcess(engine(source), assignment) as worker:
        assert worker.facts.told["ours"] is True


def test_an_interpreter_that_is_none_is_an_error(engine, assignment, tmp_path):
    with pytest.raises(ExecutionError, match="--peer-python some=PATH"):
        WorkerProcess(engine(), assignment, tmp_path / "no-python")


def test_cores_are_as_many_as_threads_and_among_the_allowed():
    allowed = sorted(os.sched_getaffinity(0))
    assert choose_cores(1) == (allowed[-1],)
    assert choose_cores(len(allowed)) == tuple(allowed)
    with pytest.raises(ExecutionError, match="cores this process may use"):
        choose_cores(len(allowed) + 1)
    with pytest.raises(ValueError, match="1 or more"):
        choose_cores(0)
