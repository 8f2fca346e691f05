"""Reading a run folder and a comparison: what is there is read, what is not stays unknown."""

import json
from pathlib import Path
from typing import Any

import pytest

from signbin.documents import to_document
from signbin.errors import FormatError
from signbin.report import read_comparison, read_training

SUMMARY: dict[str, Any] = {
    "recipe": "digits",
    "weights": "signed_binary",
    "value_set": "{0,+1} or {0,-1} per region",
    "seeds": [0, 7],
    "test_accuracy": {"per_seed": [0.96, 0.98], "mean": 0.97, "std": 0.014},
    "density": 0.34,
    "layers": [
        {"name": "a", "weights": 100, "density": 0.4},
        {"name": "b", "weights": 300, "density": 0.32},
    ],
    "parameters": {"total": 500, "weights": 450, "quantized": 400, "quantized_share": 0.889},
    "environment": {"python": "3.11.7"},
}


def metrics_line(epoch: int, accuracy: float) -> str:
    layers = [
        {"name": "a", "density": 0.8, "flip_rate": 0.1, "dead_filters": 1, "mean_to_spread": 0.5},
        {"name": "b", "density": 0.4, "flip_rate": None, "dead_filters": 2, "mean_to_spread": 2.0},
    ]
    return json.dumps(
        {"epoch": epoch, "test_accuracy": accuracy, "health": {"layers": layers}, "note": "text"}
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY), encoding="utf-8")
    config = "epochs: 2\noptimizer: {name: adam, learning_rate: 3.0e-3}\nseeds: [0, 7]\n"
    (tmp_path / "config.yaml").write_text(config, encoding="utf-8")
    for seed in (0, 7):
        folder = tmp_path / f"seed-{seed}"
        folder.mkdir()
        lines = [metrics_line(1, 0.5), metrics_line(2, 0.9)]
        (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def changed(run: Path, **entries: object) -> Path:
    (run / "summary.json").write_text(json.dumps({**SUMMARY, **entries}), encoding="utf-8")
    return run


def test_a_run_folder_is_read(run: Path) -> None:
    training = read_training(run)
    assert (training.recipe, training.weights, training.seeds) == (
        "digits",
        "signed_binary",
        (0, 7),
    )
    assert training.accuracies == (0.96, 0.98)
    assert training.layer_density == {"a": 0.4, "b": 0.32}
    assert training.parameters == 500
    assert training.environment == {"python": "3.11.7"}
    assert training.config["optimizer.name"] == "adam"
    assert training.config["seeds"] == "0, 7"


def test_every_seed_has_its_curves_and_text_is_no_curve(run: Path) -> None:
    series = read_training(run).series
    accuracy = [one for one in series if one.quantity == "test_accuracy"]
    assert [(one.seed, one.epochs, one.values) for one in accuracy] == [
        (0, (1, 2), (0.5, 0.9)),
        (7, (1, 2), (0.5, 0.9)),
    ]
    assert not {one.quantity for one in series} & {"epoch", "note", "health"}


def test_health_is_weighted_by_the_weights_of_a_layer(run: Path) -> None:
    found = {one.quantity: one.values[0] for one in read_training(run).series}
    assert found["density"] == pytest.approx((100 * 0.8 + 300 * 0.4) / 400)
    assert found["flip_rate"] == pytest.approx(0.1)
    assert found["dead_filters"] == 3
    assert found["mean_to_spread"] == 2.0


def test_accuracy_on_validation_images_is_called_so(run: Path) -> None:
    summary = {key: value for key, value in SUMMARY.items() if key != "test_accuracy"}
    summary["validation_accuracy"] = {"per_seed": [0.5, 0.6]}
    (run / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    training = read_training(run)
    assert (training.held_out, training.accuracies) == ("validation", (0.5, 0.6))


def test_what_the_files_leave_out_stays_unknown(tmp_path: Path) -> None:
    bare = json.dumps({"recipe": "digits", "weights": "float"})
    (tmp_path / "summary.json").write_text(bare, encoding="utf-8")
    training = read_training(tmp_path)
    assert training.density is None
    assert training.parameters is None
    assert training.command is None
    assert training.accuracies == training.series == ()


def test_a_folder_without_a_finished_run_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"summary\.json.*--resume"):
        read_training(tmp_path)


@pytest.mark.parametrize(
    "entries",
    [
        {"seeds": "zero"},
        {"seeds": [0.5]},
        {"density": "high"},
        {"layers": 3},
        {"layers": [3]},
        {"test_accuracy": [0.9]},
        {"test_accuracy": {"per_seed": ["0.9"]}},
        {"parameters": 3},
        {"environment": []},
    ],
)
def test_a_damaged_summary_is_refused_and_named(run: Path, entries: dict[str, object]) -> None:
    with pytest.raises(FormatError, match=r"summary\.json"):
        read_training(changed(run, **entries))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"recipe": 1}', "\udcff"])
def test_files_that_are_something_else_are_refused(run: Path, text: str) -> None:
    (run / "summary.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(FormatError, match=r"summary\.json"):
        read_training(run)


@pytest.mark.parametrize("line", ["{", "3", '{"test_accuracy": 0.5}', '{"epoch": "one"}'])
def test_a_damaged_line_of_metrics_is_refused_with_its_number(run: Path, line: str) -> None:
    text = f"{metrics_line(1, 0.5)}\n{line}\n"
    (run / "seed-7" / "metrics.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(FormatError, match=r"seed-7/metrics\.jsonl, line 2"):
        read_training(run)


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "!!python/object:os.system {}"])
def test_a_damaged_configuration_is_refused(run: Path, text: str) -> None:
    (run / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(FormatError, match=r"config\.yaml"):
        read_training(run)


def test_a_comparison_is_read_back(comparison, tmp_path: Path) -> None:
    path = tmp_path / "compare.json"
    path.write_text(json.dumps(to_document(comparison)), encoding="utf-8")
    assert read_comparison(path) == comparison


def test_a_missing_comparison_is_refused_with_the_command_that_writes_it(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="signbin compare"):
        read_comparison(tmp_path / "compare.json")
