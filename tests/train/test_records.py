"""Metrics in the run folder and elsewhere, and what a person sees of a training."""

import csv
import io
import sys
import types

import pytest

from signbin.errors import SpecError
from signbin.train import LoggingConfig, progress, train
from signbin.train.folder import SeedFolder
from signbin.train.progress import ConsoleProgress, PlainProgress, console_progress
from signbin.train.records import flat_numbers, make_sinks, write_metrics

RECORD = {
    "epoch": 2,
    "train_loss": 0.5,
    "answers": None,
    "health": {"layers": [{"name": "a.b", "density": 0.25, "latent": {"std": 1.5}}]},
}


def test_the_table_has_a_row_per_epoch_and_the_numbers_of_the_lines(tmp_path, tiny, logged):
    train(tiny(), tmp_path, progress=False)
    folder = tmp_path / "seed-0"
    rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    lines = logged(folder / "metrics.jsonl")
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    for row, line in zip(rows, lines, strict=True):
        assert float(row["test_accuracy"]) == line["test_accuracy"]
    assert "health" not in rows[0]
    assert float(rows[0]["seconds"]) > 0


def test_a_table_whose_columns_grow_stays_rectangular(tmp_path):
    folder = SeedFolder(tmp_path)
    write_metrics(folder, [{"epoch": 1}, {"epoch": 2, "extra": 5}])
    rows = list(csv.reader(folder.table.read_text().splitlines()))
    assert rows == [["epoch", "extra"], ["1", ""], ["2", "5"]]


def test_layers_and_their_parts_have_names_with_slashes():
    assert dict(flat_numbers(RECORD)) == {
        **{"epoch": 2.0, "train_loss": 0.5},
        **{"health/a.b/density": 0.25, "health/a.b/latent/std": 1.5},
    }


def test_no_sink_is_made_unless_asked(tmp_path):
    assert make_sinks(LoggingConfig(), tmp_path, {}) == ()


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(SpecError, match=r"pip install 'signbin\[wandb\]'"):
        make_sinks(LoggingConfig(wandb="project"), tmp_path, {})
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(SpecError, match=r"pip install 'signbin\[tensorboard\]'"):
        make_sinks(LoggingConfig(tensorboard=True), tmp_path, {})


class Recorder:
    """Stands in for wandb and for a run of it."""

    def __init__(self):
        self.said = []

    def init(self, **options):
        self.said.append(("init", options["project"], options["config"]["recipe"]))
        return self

    def log(self, numbers, step):
        self.said.append(("log", step, numbers["test_accuracy"]))

    def finish(self):
        self.said.append(("finish",))


def test_weights_and_biases_is_told_every_epoch_and_the_end(tmp_path, tiny, monkeypatch, logged):
    recorder = Recorder()
    module = types.ModuleType("wandb")
    module.init = recorder.init
    monkeypatch.setitem(sys.modules, "wandb", module)
    train(tiny(epochs=2, logging={"wandb": "digits"}), tmp_path, progress=False)
    lines = logged(tmp_path / "seed-0" / "metrics.jsonl")
    assert recorder.said == [
        ("init", "digits", "digits"),
        *(("log", line["epoch"], line["test_accuracy"]) for line in lines),
        ("finish",),
    ]


def test_tensorboard_reads_what_was_written(tmp_path, tiny, logged):
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tiny(epochs=2, logging={"tensorboard": True}), tmp_path, progress=False)
    events = EventAccumulator(str(tmp_path / "seed-0" / "tensorboard"))
    events.Reload()
    lines = logged(tmp_path / "seed-0" / "metrics.jsonl")
    found = [(e.step, pytest.approx(e.value)) for e in events.Scalars("test_accuracy")]
    assert found == [(line["epoch"], line["test_accuracy"]) for line in lines]
    assert any(tag.endswith("/density") for tag in events.Tags()["scalars"])


def test_a_log_gets_a_line_per_epoch_with_the_time_that_is_left(monkeypatch):
    clock = iter([0.0, 100.0, 200.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    shown = PlainProgress("digits binary", stream)
    shown.start_seed(seed=3, epochs=10, done=4, steps=22)
    shown.end_epoch(0.5, 0.8123)
    shown.end_epoch(0.25, 0.9)
    first, second = stream.getvalue().splitlines()
    assert first == (
        "digits binary: seed 3 epoch 5/10  loss 0.500  accuracy 81.23 %  100.0 s each  8 min left"
    )
    assert second.endswith("7 min left")


def test_a_terminal_gets_a_bar_that_moves_with_every_step():
    from rich.console import Console

    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=140, color_system=None)
    with ConsoleProgress("digits", console) as shown:
        shown.start_seed(seed=1, epochs=2, done=0, steps=3)
        shown.end_step()
        assert shown._progress.tasks[0].completed == 1
        shown.end_epoch(0.5, 0.75)
        shown.note("something to know")
    text = stream.getvalue()
    assert "digits seed 1" in text
    assert "1/2" in text
    assert "accuracy 75.00 %" in text
    assert "something to know" in text


def test_without_a_terminal_lines_are_printed_and_without_rich_too(monkeypatch):
    assert isinstance(console_progress("x"), PlainProgress)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(console_progress("x"), ConsoleProgress)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert isinstance(console_progress("x"), PlainProgress)
