"""Ranking: best first, ties in class order, names where there are any."""

import numpy as np
import pytest

from signbin.errors import SpecError
from signbin.report import rank


def names(scores: list[list[float]], class_names: tuple[str, ...], top: int) -> list[list[str]]:
    rows = rank([str(n) for n in range(len(scores))], np.float32(scores), class_names, top)
    return [[ranked.name for ranked in row.top] for row in rows]


def test_the_best_come_first_with_their_scores() -> None:
    (row,) = rank(["a.png"], np.float32([[0.5, 2.0, -1.0]]), ("x", "y", "z"), 2)
    assert row.input == "a.png"
    assert [(ranked.name, ranked.score) for ranked in row.top] == [("y", 2.0), ("x", 0.5)]


def test_ties_keep_the_class_order_and_nan_comes_last() -> None:
    assert names([[1.0, 3.0, 3.0]], ("x", "y", "z"), 3) == [["y", "z", "x"]]
    assert names([[np.nan, 3.0, 4.0]], ("x", "y", "z"), 3) == [["z", "y", "x"]]


def test_classes_without_a_name_are_called_by_number() -> None:
    assert names([[0.0, 1.0]], (), 5) == [["1", "0"]]


@pytest.mark.parametrize("shape", [(2, 3), (3,), (1, 3, 2, 2)])
def test_outputs_that_are_no_scores_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match="outputs to rank"):
        rank(["only one"], np.zeros(shape, np.float32), (), 1)


def test_asking_for_no_class_is_refused() -> None:
    with pytest.raises(SpecError, match="top"):
        rank(["a"], np.zeros((1, 2), np.float32), (), 0)
