"""Studies: seeds become one point, failures are named, and a front holds what nothing beats."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signbin.errors import FormatError
from signbin.report import StudyPoint, read_study
from signbin.report.study import pareto_front
from signbin.report.study_chart import study_charts

RESULTS = Path(__file__).parents[2] / "experiments" / "training" / "results"
POINTS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=12)


def written(folder: Path, document: object) -> Path:
    (folder / "results.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_seeds_are_one_point_and_what_failed_is_named(tmp_path: Path) -> None:
    budget = {"unit": "milliseconds", "predicted": 0.5, "limit": 0.6}
    found = {"run": "wide", "weights": "binary", "parameters": {"effectual": 10}, "budget": budget}
    broken = {"run": "deep", "weights": "binary", "accuracy": None, "failure": {"kind": "x"}}
    runs = [{**found, "accuracy": 0.8}, {**found, "accuracy": 0.9}, broken]
    study = read_study(written(tmp_path, {"title": "Width", "question": "Why?", "runs": runs}))
    (point,) = study.points
    assert (point.name, point.weights, point.seeds) == ("wide", "binary", 2)
    assert point.accuracy == pytest.approx(0.85)
    assert point.costs == {"effectual_weights": 10.0, "milliseconds": 0.5}
    assert study.failed == ("deep",)


@pytest.mark.parametrize(
    "document", [[], {}, {"runs": 3}, {"runs": [3]}, {"runs": [{"run": "a", "accuracy": 7}]}]
)
def test_what_is_no_study_is_refused_with_the_name_of_its_file(tmp_path: Path, document) -> None:
    with pytest.raises(FormatError, match=r"results\.json"):
        read_study(written(tmp_path, document))


@given(POINTS)
def test_a_front_holds_one_of_every_best_and_nothing_that_is_beaten(found) -> None:
    points = [StudyPoint(f"{n}", "", a / 20, 1, {"ms": float(c)}) for n, (a, c) in enumerate(found)]
    front = pareto_front(points, "ms")
    kept = [(point.accuracy, point.costs["ms"]) for point in front]
    for point in points:
        mine = (point.accuracy, point.costs["ms"])
        beaten = any(a >= mine[0] and c <= mine[1] and (a, c) != mine for a, c in kept)
        assert beaten is not (mine in kept)


def test_costs_that_were_measured_lie_beside_the_results(tmp_path: Path) -> None:
    runs = [
        {"run": "low", "seed": 0, "weights": "signed_binary", "accuracy": 0.7},
        {"run": "float", "seed": 0, "accuracy": 0.8, "parameters": {"weights": 9, "quantized": 0}},
    ]
    rows = [{"run": "low", "seed": 0, "min_ms": 0.25, "energy_uj": 2.0, "peers": {}}]
    (tmp_path / "costs.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")
    low, float_ = read_study(written(tmp_path, {"runs": runs})).points
    assert low.costs == {"measured_ms": 0.25, "energy_uj": 2.0}
    assert float_.costs == {"effectual_weights": 9.0}
    (tmp_path / "costs.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FormatError, match=r"costs\.json"):
        read_study(tmp_path)


def test_the_committed_study_shows_what_accuracy_costs() -> None:
    study = read_study(RESULTS / "low-density-cpu")
    assert {"float-16", "binary-16", "centred", "centred-.12"} == {one.name for one in study.points}
    found = {one.name: one.costs for one in study.points}
    assert 8 * found["centred-.12"]["effectual_weights"] < found["float-16"]["effectual_weights"]
    drawn = dict(study_charts(study))
    assert {"effectual_weights", "measured_ms", "energy_uj", "file_bytes"} <= set(drawn)
    assert drawn["measured_ms"].count("<circle") > 2
