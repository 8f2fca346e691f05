"""Files of costs: they read back equal, and nothing else is read."""

import dataclasses
import json

import pytest

from signbin.errors import FormatError, SpecError
from signbin.layer_costs import (
    CostUnit,
    LayerCosts,
    LayerShape,
    NetworkCosts,
    read_costs,
    write_costs,
)

SHAPE = LayerShape("conv2d", (4, 2, 3, 3), 1, 1, (8, 8))
LAYER = LayerCosts("a", (SHAPE,), (1, 4, 9), (10.0, 20.0, 40.0), (1.0, 2.0, 4.0))
COSTS = NetworkCosts(
    CostUnit.MILLISECONDS, "a CPU", "avx2", {"l1_bytes": 32768}, True, 0.5, (LAYER,)
)


def test_between_known_counts_costs_are_straight_and_outside_they_stay():
    assert [LAYER.at(count) for count in (1, 2.5, 4, 9, 18)] == [1.0, 1.5, 2.0, 4.0, 4.0]
    assert [LAYER.of_work(work) for work in (5, 15, 30)] == [1.0, 1.5, 3.0]
    assert COSTS.binary == 4.5
    assert COSTS.at({"a": 4}) == 2.5
    assert COSTS.at_density(0.0) == 1.5
    assert COSTS.at_density(0.5) == 4.5


def test_a_file_reads_back_equal(tmp_path):
    write_costs(tmp_path / "costs.json", COSTS)
    assert read_costs(tmp_path / "costs.json") == COSTS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("fixed"), "fixed"),
        (lambda d: d.update(version=2), "version of costs: got 2"),
        (lambda d: d.update(unit="minutes"), "milliseconds, additions"),
        (lambda d: d.update(fixed=-1.0), "fixed cost"),
        (lambda d: d.update(layers=[]), "layers of costs"),
        (lambda d: d.update(caches={"l9_bytes": 1}), "caches of costs"),
        (lambda d: d["layers"][0].update(counts=[1, 4, 4]), "costs of a: counts"),
        (lambda d: d["layers"][0].update(costs=[3.0, 2.0, 4.0]), "costs of a: costs"),
        (lambda d: d["layers"][0].update(work=[1.0]), "as many counts as work and costs"),
        (lambda d: d["layers"][0]["uses"][0].update(op="pool"), "op of a layer: got 'pool'"),
        (lambda d: d["layers"][0]["uses"][0].update(weight=[4, 2]), "shape of a layer"),
        (lambda d: d.update(extra=1), "key: got 'extra'"),
    ],
)
def test_what_nobody_measured_is_refused_and_the_file_named(tmp_path, change, message):
    path = tmp_path / "costs.json"
    write_costs(path, COSTS)
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document), "utf-8")
    with pytest.raises(FormatError, match=message) as refused:
        read_costs(path)
    assert "costs.json" in str(refused.value)


def test_files_that_are_missing_or_no_json_are_refused(tmp_path):
    with pytest.raises(FormatError, match=r"signbin costs"):
        read_costs(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("[", "utf-8")
    with pytest.raises(FormatError, match=r"text\.json"):
        read_costs(tmp_path / "text.json")


def test_uses_of_one_module_have_one_weight():
    other = dataclasses.replace(SHAPE, weight=(4, 2, 1, 1))
    with pytest.raises(SpecError, match="all of one weight"):
        LayerCosts("a", (SHAPE, other), (1,), (1.0,), (1.0,))
