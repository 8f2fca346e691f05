"""The committed results are what the models give."""

import json

import pytest

from experiments.energy import estimates, page
from signbin.analysis import ProcessingArray, read_shapes


@pytest.fixture(scope="module")
def results() -> dict:
    return page.read()


@pytest.mark.parametrize("array", ["sigma-256-128", "systolic-16-16-gated", "cpu-8"])
def test_the_results_are_what_the_models_give(results, array: str) -> None:
    model = next(name for name, configuration in estimates.MACHINES if configuration == array)
    rows = estimates.estimate_kinds(read_shapes(estimates.SHAPES), ProcessingArray(model, array))
    assert json.loads(json.dumps(rows)) == results["arrays"][array]


def test_the_validation_is_what_the_model_gives(results) -> None:
    assert json.loads(json.dumps(estimates.validation_rows())) == results["validation"]
