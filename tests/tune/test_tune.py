import dataclasses
import json
import math

import numpy as np
import pytest

from signbin.artifact import Artifact
from signbin.errors import SpecError
from signbin.plan import Plan, Strategy
from signbin.runtime import Program
from signbin.tune import Autotune, autotune
from signbin.tune.candidates import name_of, shortlist


def measured(layer):
    return [candidate for candidate in layer.candidates if candidate.ms is not None]


def chosen(layer):
    return next(
        candidate
        for candidate in layer.candidates
        if (candidate.strategy, candidate.parameters) == (layer.strategy, layer.parameters)
    )


def test_every_layer_takes_the_candidate_that_was_measured_fastest(make_artifact, laboratory):
    artifact = make_artifact()
    slowest = shortlist(artifact.plan.layers[1], forced=False)[-1]
    lab = laboratory({("conv0", "dense"): 0.5, ("conv1", name_of(slowest)): 0.25})
    plan = autotune(artifact, "portable", Autotune(None, open_program=lab.open))
    assert plan.layers[0].strategy is Strategy.DENSE
    assert "measured 0.5000 ms" in plan.layers[0].why
    assert "not the predicted best" in plan.layers[0].why
    assert name_of(chosen(plan.layers[1])) == name_of(slowest)
    for layer in plan.layers:
        assert len(measured(layer)) == len(shortlist(layer, forced=False))
        assert chosen(layer).ms == min(candidate.ms for candidate in measured(layer))
        assert chosen(layer).why.startswith("chosen: measured ")
        assert "18.00x the choice" in " ".join(c.why for c in plan.layers[0].candidates)


def test_dense_and_the_best_predicted_tiles_of_every_kind_compete(make_artifact):
    layer = make_artifact().plan.layers[0]
    listed = shortlist(layer, forced=False)
    assert (listed[0].strategy, listed[0].parameters) == (layer.strategy, layer.parameters)
    buckets = [one.cost for one in listed if one.strategy is Strategy.BUCKET]
    others = [one.cost for one in layer.candidates if one.strategy is Strategy.BUCKET]
    assert sorted(buckets) == sorted(others)[:3]
    assert sum(one.strategy is Strategy.DENSE for one in listed) == 1


def test_known_times_are_not_measured_again(make_artifact, laboratory, tmp_path):
    artifact, path = make_artifact(), tmp_path / "new" / "times.json"
    lab = laboratory({("conv0", "dense"): 0.5})
    first = autotune(artifact, "portable", Autotune(path, open_program=lab.open))
    runs, opened = lab.runs, lab.opened
    assert runs == 6 * 4 * opened > 0
    again = autotune(artifact, "portable", Autotune(path, open_program=lab.open))
    assert (lab.runs, lab.opened) == (runs, opened)
    assert again == first


def test_other_weights_are_another_layer(make_artifact, laboratory, tmp_path):
    how = Autotune(tmp_path / "times.json", open_program=laboratory({}).open)
    autotune(make_artifact(), "portable", how)
    lab = laboratory({})
    autotune(make_artifact(seed=1), "portable", dataclasses.replace(how, open_program=lab.open))
    assert lab.runs > 0


def test_a_forced_strategy_is_respected(make_artifact, laboratory):
    lab = laboratory({("conv0", "dense"): 0.1, ("conv1", "dense"): 0.1})
    artifact = make_artifact(force=Strategy.BUCKET)
    plan = autotune(artifact, "portable", Autotune(None, open_program=lab.open), forced=True)
    assert {layer.strategy for layer in plan.layers} == {Strategy.BUCKET}
    assert {one.strategy for layer in plan.layers for one in measured(layer)} == {Strategy.BUCKET}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{",
        b'{"version": 2, "layers": {}}',
        b'{"version": 1}',
        b'{"version": 1, "layers": {"a": {"dense": -1.0}}}',
        b'{"version": 1, "layers": {"a": {"dense": NaN}}}',
        b'{"version": 1, "layers": {"a": ["dense"]}}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_cache_is_said_ignored_and_replaced(make_artifact, laboratory, tmp_path, content):
    path, said = tmp_path / "times.json", []
    path.write_bytes(content)
    lab = laboratory({})
    how = Autotune(path, warn=said.append, open_program=lab.open)
    autotune(make_artifact(), "portable", how)
    assert lab.runs > 0
    assert [str(path) in line for line in said] == [True]
    assert len(json.loads(path.read_text(encoding="utf-8"))["layers"]) == 2


def test_a_cache_that_cannot_be_written_costs_a_warning(make_artifact, laboratory, tmp_path):
    said = []
    (tmp_path / "file").write_text("", encoding="utf-8")
    how = Autotune(tmp_path / "file" / "x.json", warn=said.append, open_program=laboratory({}).open)
    plan = autotune(make_artifact(), "portable", how)
    assert measured(plan.layers[0])
    assert said


def test_no_round_begins_after_the_time_is_up(make_artifact, laboratory):
    lab, seen = laboratory({}), []
    how = Autotune(None, seconds=1e-9, progress=lambda *at: seen.append(at), open_program=lab.open)
    plan = autotune(make_artifact(), "portable", how)
    assert lab.runs == 4 * lab.opened
    assert all(measured(layer) for layer in plan.layers)
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_a_time_that_is_none_is_refused(seconds):
    with pytest.raises(SpecError, match="time to measure in"):
        Autotune(seconds=seconds)


def test_an_artifact_without_a_plan_is_refused(make_artifact):
    with pytest.raises(SpecError, match="with a plan"):
        autotune(Artifact(make_artifact().graph), "portable", Autotune(None))


@pytest.mark.parametrize("isa", ["portable", "auto"])
def test_a_program_runs_its_measured_plan_and_computes_the_same(make_artifact, isa):
    """Walks of other tiles add the same numbers in another order: float32 rounding at most."""
    artifact = make_artifact(isa=isa)
    before = Program(artifact, isa=isa)
    plan = autotune(artifact, before.isa, Autotune(None, seconds=0.1))
    after = Program(dataclasses.replace(artifact, plan=plan), isa=isa)
    assert after.plan == plan == Plan.from_json(json.loads(json.dumps(plan.to_json())))
    x = np.random.default_rng(1).standard_normal((2, 16, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(after(x), before(x), atol=1e-4)
    assert all(candidate.ms > 0 for layer in plan.layers for candidate in measured(layer))
