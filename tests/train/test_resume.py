"""Killed at any step and resumed, a training ends with the same bits."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from signbin.errors import ExecutionError, FormatError
from signbin.train import checkpoint as checkpoint_module
from signbin.train import load_recipe, run, train
from signbin.train.checkpoint import read_checkpoint
from signbin.train.progress import Silent

STEPS = 15  # three epochs of five
# The first step of all, the last and the first of an epoch, the last of all; the others are wide.
INTERRUPTED = (1, 5, 6, 15)


class StopsAt(Silent):
    """Interrupts a run at one of its steps."""

    def __init__(self, step):
        self.left = step

    def end_step(self):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def interrupted(monkeypatch, config, output, step, resume=False):
    with monkeypatch.context() as patch:
        patch.setattr(run, "Silent", lambda: StopsAt(step))
        with pytest.raises(KeyboardInterrupt):
            train(config, output, progress=False, resume=resume)


def result_of(output: Path):
    """The final weights, and the metrics without times."""
    folder = output / "seed-0"
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for record in records:
        for key in ("seconds", "train_seconds"):
            record.pop(key)
    return (folder / "model.safetensors").read_bytes(), records


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny):
    """What a training of all steps ends with."""
    output = tmp_path_factory.mktemp("whole") / "run"
    train(tiny(checkpoint_steps=2), output, progress=False)
    return result_of(output)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """(a recipe that uses whatever has a state, what a training of all steps ends with)."""
    teacher = tmp_path_factory.mktemp("teacher") / "run"
    small = {"epochs": 1, "seeds": [0], "model.width": 4, "data.batch_size": 256}
    train(load_recipe("digits", {**small, "weights": "float"}), teacher, progress=False)
    changes = {
        "epochs": 3,
        "weights": "multi_bit",
        "quantizers.multi_bit": {
            "weight": {"kind": "lq_nets", "bits": 2},
            "activation": {"kind": "int8"},
        },
        "optimizer": {"name": "adamw", "weight_decay": 0.01, "warmup": 0.2, "clip_gradient": 1.0},
        "loss": {
            "teacher": {"run": str(teacher), "share": 0.5, "temperature": 2.0},
            "distribution": 0.01,
            "label_smoothing": 0.1,
        },
        "average": 0.9,
        "checkpoint_steps": 2,
    }
    config = load_recipe("digits", {**small, **changes})
    train(config, teacher.parent / "whole", progress=False)
    return config, result_of(teacher.parent / "whole")


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(step, marks=() if step in INTERRUPTED else pytest.mark.wide)
        for step in (1, 4, 5, 6, 9, 10, 14, 15)
    ],
)
def test_an_interruption_at_any_step_leaves_no_trace(tmp_path, tiny, whole, monkeypatch, step):
    config = tiny(checkpoint_steps=2)
    interrupted(monkeypatch, config, tmp_path / "parts", step)
    train(config, tmp_path / "parts", resume=True, progress=False)
    assert result_of(tmp_path / "parts") == whole


@pytest.mark.parametrize("steps", [(3, 4, 2), (8, 1, 1)])
def test_many_interruptions_of_everything_with_a_state_leave_no_trace(
    tmp_path, monkeypatch, everything, steps
):
    config, whole = everything
    for number, step in enumerate(steps):
        interrupted(monkeypatch, config, tmp_path / "parts", step, resume=number > 0)
    train(config, tmp_path / "parts", resume=True, progress=False)
    assert result_of(tmp_path / "parts") == whole


def test_without_checkpoint_steps_an_epoch_is_what_can_be_lost(tmp_path, tiny, monkeypatch):
    interrupted(monkeypatch, tiny(), tmp_path, 9)
    state = read_checkpoint(tmp_path / "seed-0" / "checkpoint.pt")
    assert state["sampler"] == {"epoch": 1, "position": 0}
    assert state["epoch"] is None
    interrupted(monkeypatch, tiny(checkpoint_steps=2), tmp_path / "often", 9)
    state = read_checkpoint(tmp_path / "often" / "seed-0" / "checkpoint.pt")
    # The interruption came after step 4 of the second epoch and before its checkpoint.
    assert state["sampler"] == {"epoch": 1, "position": 2}
    assert set(state["epoch"]) == {"codes", "tally", "seconds"}


def python(code: str, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env=environment,
        **options,
    )


SCRIPT = """
    import os, resource, signal, sys
    from pathlib import Path
    from signbin.train import load_recipe, run, train
    from signbin.train.progress import Silent

    class Watcher(Silent):
        steps = epochs = 0

        def end_step(self):
            self.steps += 1
            {step}

        def end_epoch(self, loss, accuracy, cost=""):
            self.epochs += 1
            {epoch}

    run.Silent = Watcher
    changes = {{"epochs": 3, "seeds": [0], "model.width": 4, "data.batch_size": 256,
                "batch_norm_images": 256, "checkpoint_steps": 2}}
    train(load_recipe("digits", changes), Path({output!r}), progress=False)
"""


def test_a_killed_process_is_resumed_to_the_same_bits(tmp_path, tiny, whole):
    kill = "self.steps == 8 and os.kill(os.getpid(), signal.SIGKILL)"
    code = SCRIPT.format(step=kill, epoch="pass", output=str(tmp_path / "parts"))
    assert python(code).returncode == -signal.SIGKILL
    assert not (tmp_path / "parts" / "summary.json").exists()
    train(tiny(checkpoint_steps=2), tmp_path / "parts", resume=True, progress=False)
    assert result_of(tmp_path / "parts") == whole


def test_a_full_disk_stops_with_the_last_checkpoint_intact(tmp_path, tiny, whole):
    # After its second epoch the process may write no file beyond 1000 bytes: a full disk.
    limit = "self.epochs == 2 and resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    code = SCRIPT.format(step="pass", epoch=limit, output=str(tmp_path / "parts"))
    done = python(code)
    assert "ExecutionError: checkpoint cannot be written" in done.stderr
    assert "the last one is intact" in done.stderr
    assert "train with resume" in done.stderr
    folder = tmp_path / "parts" / "seed-0"
    assert read_checkpoint(folder / "checkpoint.pt")["sampler"] == {"epoch": 2, "position": 0}
    assert not [path for path in folder.iterdir() if path.name.endswith(".part")]
    train(tiny(checkpoint_steps=2), tmp_path / "parts", resume=True, progress=False)
    assert result_of(tmp_path / "parts") == whole


def test_a_full_disk_before_the_first_checkpoint_says_that_there_is_none(tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(checkpoint_module, "write_bytes", full)
    with pytest.raises(ExecutionError, match=r"No space left.*there is none before it"):
        checkpoint_module.write_checkpoint(tmp_path / "c.pt", {"seed": 0})


def test_a_checkpoint_of_more_processes_is_refused(tmp_path, tiny, monkeypatch):
    config = tiny()
    interrupted(monkeypatch, config, tmp_path, 6)
    path = tmp_path / "seed-0" / "checkpoint.pt"
    state = read_checkpoint(path)
    state.pop("version")
    state["rng"] = state["rng"] * 2
    checkpoint_module.write_checkpoint(path, state)
    with pytest.raises(FormatError, match="a checkpoint of 2 processes"):
        train(config, tmp_path, resume=True, progress=False)
