"""The committed counts are what the engines give."""

import json

import pytest

from experiments.trade_off import COUNTS, TIMES, counts, read


@pytest.fixture(scope="module")
def results() -> dict:
    return read(COUNTS)


@pytest.fixture(scope="module")
def times() -> dict:
    return read(TIMES)


def test_the_counts_are_what_the_engines_give(results) -> None:
    again = {name: counts.SECTIONS[name]() for name in ("aligned", "extremes")}
    assert json.loads(json.dumps(again)) == {name: results[name] for name in again}


def test_every_layer_is_timed_with_every_kind_and_type(times) -> None:
    timed = {(row["layer"], row["kind"], row["type"]) for row in times["rows"].values()}
    assert len(timed) == len(times["rows"]) == times["layers"] * 4 * 2


def test_walks_of_resnet18_are_near_the_limit_of_random_weights(results) -> None:
    for row in results["resnet18"]:
        if row["weights"] in {"signed-binary 0.357", "binary, shared total"}:
            assert row["adds"]["bucket"] / row["bound"] < 2.6
            assert row["adds"]["bucket on codes"] / row["bound"] < 3.5


def test_sub_blocks_finish_and_none_is_worse_than_summerges(results) -> None:
    for row in results["sub_blocks"]:
        assert row["finished"] >= 0.9 * row["blocks"]
        assert row["no_worse"] == row["blocks"]


def test_regrouping_never_loses_and_gains_on_trained_weights(results) -> None:
    trained = [network["grouping"] for network in results["trained"].values()]
    random = [row["grouping"] for row in results["grouping_of_random"]]
    for entry in (entry for entries in trained + random for entry in entries):
        assert entry["after"] <= entry["before"]
    network = results["trained"]["ResNet-20, signed-binary"]
    assert min(one["after"] / one["before"] for one in network["grouping"]) < 0.95
