import copy
import json
import math

import pytest

from signbin.errors import PlanError
from signbin.plan import Plan, Strategy, Target, make_plan


@pytest.fixture
def plan(kernels, make_graph, make_weight):
    weights = [make_weight("float", (8, 4, 3, 3)), make_weight("signed_binary", (8, 8, 3, 3))]
    return make_plan(make_graph(*weights), kernels, Target.portable())


def test_a_plan_survives_json_unchanged(plan):
    document = json.loads(json.dumps(plan.to_json(), allow_nan=False))
    assert Plan.from_json(document) == plan
    assert any(entry.cost == math.inf for entry in Plan.from_json(document).layers[0].candidates)


def test_measured_times_survive_and_plans_without_them_are_read(plan):
    document = plan.to_json()
    for candidate in document["layers"][1]["candidates"]:
        candidate["ms"] = 0.25
    assert {entry.ms for entry in Plan.from_json(document).layers[1].candidates} == {0.25}
    for candidate in document["layers"][0]["candidates"]:
        del candidate["ms"]
    assert Plan.from_json(document).layers[0] == plan.layers[0]


def test_a_layer_is_found_by_name_and_a_missing_one_is_an_error(plan):
    assert plan.for_layer("layer1").layer == "layer1"
    with pytest.raises(PlanError, match="layer0, layer1"):
        plan.for_layer("layer9")


def test_a_plan_prints_one_line_per_layer_with_strategy_tile_and_reason(plan):
    head, first, second = str(plan).splitlines()
    assert head.startswith("plan for portable")
    assert first.startswith("  layer0 (conv2d, float): dense: dense: ")
    assert second.startswith("  layer1 (conv2d, signed_binary): bucket (")
    assert f"filters {plan.layers[1].parameters['filters']}" in second
    assert second.endswith(plan.layers[1].why)


def places(document, path=()):
    yield path
    children = document.items() if isinstance(document, dict) else enumerate(document)
    for key, child in children:
        if isinstance(child, dict | list):
            yield from places(child, (*path, key))
        else:
            yield (*path, key)


@pytest.mark.parametrize("poison", [[], {}, "x", -1, 1.5, True, 10**400, float("nan"), None])
def test_a_wrong_value_anywhere_is_a_plan_error_or_reads_as_itself(plan, poison):
    original = plan.to_json()
    for path in places(original):
        document = {"root": copy.deepcopy(original)}
        parent = document
        for key in ("root", *path)[:-1]:
            parent = parent[key]
        parent[("root", *path)[-1]] = poison
        try:
            again = Plan.from_json(document["root"])
        except PlanError:
            continue
        assert again.to_json() == document["root"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: document.pop("target"),
        lambda document: document.update(extra=1),
        lambda document: document["layers"].append(document["layers"][0]),
        lambda document: document["layers"][0].update(strategy="magic"),
        lambda document: document["layers"][0].update(density=1.01),
        lambda document: document["layers"][0].update(value_set="quaternary"),
        lambda document: document["layers"][1]["parameters"].update(filters=-8),
        lambda document: document["layers"][1]["parameters"].update(filters=2**31),
        lambda document: document["layers"][1]["candidates"][0].update(cost=-0.5),
        lambda document: document["layers"][1]["candidates"][0].update(cost=0),
        lambda document: document["layers"][1].update(why="x" * 5000),
    ],
)
def test_hostile_json_is_a_plan_error(plan, damage):
    document = json.loads(json.dumps(plan.to_json()))
    damage(document)
    with pytest.raises(PlanError):
        Plan.from_json(document)


def test_strategies_keep_their_names():
    names = ["dense", "bucket", "table", "sparse", "agr", "summerge", "cse", "qgym", "bitserial"]
    assert [strategy.value for strategy in Strategy] == names
