"""The committed results are what the models give, and the committed pages what the results give."""

import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def experiment(load_script) -> ModuleType:
    return load_script("energy")


@pytest.fixture(scope="module")
def results(experiment) -> dict:
    return json.loads(experiment.RESULTS.read_text(encoding="utf-8"))


def test_the_pages_are_made_from_the_results(experiment, results) -> None:
    pages = experiment.pages(results, experiment.SIMULATOR_FILE.read_text(encoding="utf-8"))
    for path, text in pages.items():
        assert path.read_text(encoding="utf-8") == text, f"run experiments/energy.py: {path}"


@pytest.mark.parametrize("array", ["sigma-256-128", "systolic-16-16-gated", "cpu-8"])
def test_the_results_are_what_the_models_give(experiment, results, array: str) -> None:
    model = next(name for name, configuration in experiment.MACHINES if configuration == array)
    shapes = experiment.read_shapes(experiment.SHAPES)
    rows = experiment.estimate_kinds(shapes, experiment.Machine(model, array))
    assert json.loads(json.dumps(rows)) == results["arrays"][array]


def test_the_validation_is_what_the_model_gives(experiment, results) -> None:
    assert json.loads(json.dumps(experiment.validation_rows())) == results["validation"]
