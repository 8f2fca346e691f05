"""Every reader, given once more what fuzzers found interesting; and what is planted is found."""

import json
import time

import numpy as np
import pytest

from reliability.fuzz import run_python
from reliability.fuzz.corpus import FOUND, kept_inputs
from reliability.fuzz.counted import COUNTED, Counted
from reliability.fuzz.edits import edited
from reliability.fuzz.native_targets import NATIVE_TARGETS
from reliability.fuzz.readers import PYTHON_TARGETS
from reliability.fuzz.replay import replay
from reliability.fuzz.run_python import OverBudgetError, checked, planted
from reliability.fuzz.slices import run_slice
from signbin.errors import SignbinError


@pytest.mark.parametrize("target", PYTHON_TARGETS)
def test_a_reader_answers_what_fuzzers_kept_with_our_errors(target):
    inputs = kept_inputs(target)
    assert inputs
    assert replay(target, inputs.values()) == len(inputs)


@pytest.mark.parametrize("target", PYTHON_TARGETS.values(), ids=lambda target: target.name)
def test_a_planted_bug_is_not_taken_for_an_error_of_ours(target):
    """The bug that ``make fuzz`` has every target find, shown to the input that finds it."""
    content = kept_inputs(target.name)["planted"]
    checked(target.read)(content)
    with planted(target), pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it does
        checked(target.read)(content)
    assert not isinstance(caught.value, SignbinError)


def test_changes_that_bytes_choose_leave_a_document_of_json_and_the_first_one_alone():
    document = {"name": "x", "sizes": [1, 2.5, [True, None]], "inner": {"a": {"b": "text"}}}
    before, rng, seen = json.dumps(document), np.random.default_rng(0), set()
    for changes in range(300):
        seen.add(json.dumps(edited(document, rng.bytes(changes % 60))))
    assert json.dumps(document) == before
    assert edited(document, bytes(4)) == document
    assert len(seen) > 200


def test_what_takes_too_long_or_too_much_is_found(monkeypatch):
    monkeypatch.setattr(run_python, "MOST_SECONDS", 0.1)

    def slow(_data):
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass

    with pytest.raises(OverBudgetError, match="seconds"):
        checked(slow)(b"")


def test_every_bug_that_was_found_stays_in_the_corpus():
    found = json.loads(COUNTED.read_text())["found"]
    for each in found:
        assert each["file"] in kept_inputs(each["target"])
    known = {(each["target"], each["file"]) for each in found}
    for target in (*NATIVE_TARGETS, *PYTHON_TARGETS):
        for name in kept_inputs(target):
            assert not name.startswith(FOUND) or (target, name) in known


def test_a_run_adds_to_what_was_counted_before(tmp_path):
    counted = Counted(tmp_path / "fuzz.json")
    counted.add("onnx", 100, 2.5)
    counted.set("onnx", lines={"reached": 1, "there": 2})
    Counted(tmp_path / "fuzz.json").add("onnx", 50, 1.0)
    known = counted.of("onnx")
    assert (known["executions"], known["seconds"]) == (150, 3.5)
    assert known["lines"] == {"reached": 1, "there": 2}


FUZZER = """
import sys
print("#40\\tINITED cov: 1", file=sys.stderr)
print("#{runs}\\tDONE", file=sys.stderr)
print("stat::number_of_executed_units: {runs}", file=sys.stderr)
{ending}
"""
CRASH = """
path = next(a for a in sys.argv if a.startswith("-artifact_prefix=")).partition("=")[2] + "crash-1"
open(path, "w").write("x")
print("artifact_prefix='x'; Test unit written to " + path, file=sys.stderr)
sys.exit(77)
"""


def slice_of(tmp_path, runs, ending=""):
    import sys

    script = tmp_path / "fuzzer.py"
    script.write_text(FUZZER.format(runs=runs, ending=ending))
    corpus, found = tmp_path / "corpus", tmp_path / "found"
    command = [sys.executable, str(script)]
    return run_slice(command, corpus, found, seconds=1, largest=9)


def test_reading_the_corpus_again_is_not_counted(tmp_path):
    ran = slice_of(tmp_path, 1040)
    assert ran.executions == 1000
    assert ran.finding is None


def test_what_ends_a_fuzzer_is_a_finding_with_its_input(tmp_path):
    ran = slice_of(tmp_path, 41, CRASH)
    assert ran.finding == tmp_path / "found" / "crash-1"
    assert ran.finding.read_text() == "x"


def test_a_fuzzer_that_does_not_run_is_no_success(tmp_path):
    with pytest.raises(RuntimeError, match="ended with 3"):
        slice_of(tmp_path, 0, "sys.exit(3)")
