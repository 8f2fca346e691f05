"""Studies: seeds become one point, failures are named, and a front holds what nothing beats."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signbin.errors import FormatError
from signbin.report import StudyPoint, read_study
from signbin.report.study import pareto_front

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
