"""The grid: every layer once, measured once, judged by the best of others."""

import json
from pathlib import Path

import numpy as np
import pytest

from signbin.artifact import Artifact
from signbin.errors import FormatError
from signbin.measure import Schedule
from signbin.runtime import Program

SHORT = Schedule(rounds=3, warm_up_s=0.0, turn_s=1e-4)


def row(ratio: float = 1.5, ways: dict | None = None, **changes) -> dict:
    given = ways or {"dense": 2.0}
    own = {"kernel": "k", "ways": given, "ratio": ratio, "repeats": [ratio] * 3}
    base = {"layer": "8->8 @4x4 1x1", "kind": "1x1", "type": "f32", "macs": 4_000_000}
    base |= {"peers": {"a": 1.0, "b": 3.0}, "fastest": "a", "schemes": {"binary": own}}
    return base | changes


def tiny(script, kind: str):
    layers, shapes = script("grid_layers"), script("layers")
    if kind == "linear":
        return layers.GridLayer(shapes.Shape("l", 8, 16, 1, 1, 1, 1, 1, 0, 1), "linear", 3)
    return layers.GridLayer(shapes.Shape("c", 8, 8, 6, 6, 3, 3, 1, 1, 1))


def test_the_grid_has_some_150_layers_each_once_and_the_quick_pass_every_kind(script) -> None:
    layers = script("grid_layers")
    grid = layers.grid()
    assert 140 <= len(grid) <= 160
    assert len({str(layer) for layer in grid}) == len(grid)
    quick = layers.slice_of(grid, layers.QUICK_EVERY)
    kinds = {"linear", "1x1", "3x3", "5x5", "7x7", "depthwise", "grouped", "stem"}
    assert {layer.kind for layer in quick} == {layer.kind for layer in grid} == kinds
    assert set(quick) <= set(grid)


def test_a_layer_says_its_kind_and_counts_what_a_call_multiplies(script) -> None:
    layer = tiny(script, "linear")
    assert (layer.kind, str(layer)) == ("linear", "16->8 linear, 3 rows")
    assert layer.macs == 3 * 16 * 8
    shapes, layers = script("layers"), script("grid_layers")
    depthwise = layers.GridLayer(shapes.Shape("d", 8, 8, 6, 6, 3, 3, 1, 1, 8))
    grouped = layers.GridLayer(shapes.Shape("g", 8, 8, 6, 6, 3, 3, 1, 1, 2))
    assert (depthwise.kind, grouped.kind) == ("depthwise", "grouped")


@pytest.mark.parametrize("kind", ["linear", "3x3"])
@pytest.mark.parametrize("activations", ["f32", "u8"])
def test_a_row_has_every_peer_every_scheme_and_the_planners_way_first(
    script, kind: str, activations: str
) -> None:
    grid, layers = script("grid"), script("grid_layers")
    schemes = (layers.Scheme("float"), layers.Scheme("signed_binary", 0.36))
    found = grid.measure_layer(tiny(script, kind), activations, schemes, SHORT)
    engines = {"f32": {"onnxruntime-fp32", "openvino-fp32"}}
    engines["f32"].add("pytorch-fp32" if kind == "linear" else "onednn-fp32")
    engines["u8"] = {"onnxruntime-int8", "openvino-int8", "onednn-int8"}
    assert set(found["peers"]) == engines[activations]
    assert found["peers"][found["fastest"]] == min(found["peers"].values())
    assert list(found["schemes"]) == ["float", "signed_binary 0.36"]
    for one in found["schemes"].values():
        assert one["kernel"].startswith(f"sb_{activations}_")
        assert all(ms > 0 for ms in one["ways"].values())
        assert ("repeats" in one) == ("first" in one)
    assert "x " in grid.line(found)


def test_every_way_of_a_layer_is_another_kernel_or_tile_and_gives_the_same_output(script) -> None:
    grid_ours, layers = script("grid_ours"), script("grid_layers")
    ours = grid_ours.ours_of(tiny(script, "3x3"), layers.Scheme("signed_binary", 0.36), "u8")
    ways = grid_ours.ways_of(ours, "auto")
    assert [way.chosen for way in ways] == [True] + [False] * (len(ways) - 1)
    assert len({way.name for way in ways}) == len(ways) >= 2
    first, *others = (way.program.trace(ours.given)[ours.node] for way in ways)
    assert all(np.array_equal(first, other) for other in others)


def test_of_every_kind_the_best_predicted_candidate_is_an_alternative(script) -> None:
    grid_ours, layers = script("grid_ours"), script("grid_layers")
    ours = grid_ours.ours_of(tiny(script, "3x3"), layers.Scheme("binary"), "f32")
    plan = Program(Artifact(ours.graph)).plan.for_layer(ours.node)
    own = grid_ours.kind_of(plan.strategy.value, plan.parameters)
    found = grid_ours.alternatives(plan)
    assert own not in found
    for kind, candidate in found.items():
        alike = [
            other.cost
            for other in plan.candidates
            if grid_ours.kind_of(other.strategy.value, other.parameters) == kind
        ]
        assert candidate.cost == min(alike)


def test_what_is_done_is_not_measured_again(script, monkeypatch, tmp_path: Path, capsys) -> None:
    grid = script("grid")
    layer, measured = tiny(script, "linear"), []

    def measure(layer, activations):
        measured.append(activations)
        changes = {"layer": str(layer), "kind": layer.kind, "type": activations}
        return row(**changes, sources=grid.sources())

    monkeypatch.setattr(grid, "grid", lambda: (layer,))
    monkeypatch.setattr(grid, "measure_layer", measure)
    given = ["--results", str(tmp_path)]
    assert grid.main([*given, "--seconds", "0"]) == 0
    assert measured == []
    assert "2 rows of 2 are not measured yet" in capsys.readouterr().out
    assert grid.main([*given, "--types", "u8"]) == 0
    assert grid.main(given) == 0
    assert grid.main(given) == 0
    assert measured == ["u8", "f32"]
    assert "0 rows of 2 are not measured yet" in capsys.readouterr().out
    assert grid.main([*given, "--again"]) == 0
    assert measured == ["u8", "f32", "f32", "u8"]
    (path,) = (tmp_path / "grid").glob("*.jsonl")
    assert len(path.read_text().splitlines()) == 3  # the environment and two rows


def test_what_fails_is_written_down_and_the_others_are_measured(script, monkeypatch) -> None:
    grid, layers = script("grid"), script("grid_layers")
    openers_of, contender = grid.openers_of, grid._contender

    def openers(layer, activations):
        found = dict(openers_of(layer, activations))
        return found | {next(iter(found)): lambda: int("no\nnumber")}

    def contend(layer, scheme, activations):
        if scheme.kind == "binary":
            raise MemoryError("binary alone")
        return contender(layer, scheme, activations)

    monkeypatch.setattr(grid, "openers_of", openers)
    monkeypatch.setattr(grid, "_contender", contend)
    schemes = (layers.Scheme("float"), layers.Scheme("binary"))
    found = grid.measure_layer(tiny(script, "linear"), "f32", schemes, SHORT)
    assert list(found["failed"]) == ["onnxruntime-fp32", "binary"]
    assert "\n" not in found["failed"]["onnxruntime-fp32"]
    assert set(found["peers"]) == {"openvino-fp32", "pytorch-fp32"}
    assert list(found["schemes"]) == ["float"]
    assert "binary FAILED" in grid.line(found)
    told = script("grid_page").failures([found])
    assert "| binary | MemoryError: binary alone |" in told
    assert script("grid_page").failures([row()]) == "Nothing failed."


def test_a_row_without_any_peer_says_why_and_loses_nothing(script, monkeypatch) -> None:
    grid, layers, page = script("grid"), script("grid_layers"), script("grid_page")
    monkeypatch.setattr(grid, "openers_of", lambda *_: {"a": lambda: int("none")})
    found = grid.measure_layer(tiny(script, "linear"), "f32", (layers.Scheme("float"),), SHORT)
    assert (found["peers"], found["schemes"]) == ({}, {})
    assert "a FAILED" in grid.line(found)
    assert page.losses([found]).startswith("No layer is below")


def test_rows_of_other_sources_are_measured_again_and_not_told_of(script, tmp_path: Path) -> None:
    grid, sources = script("grid"), script("grid_sources")
    layer = tiny(script, "linear")
    old = row(layer=str(layer), type="f32", sources="another")
    assert list(grid.to_measure([layer], [old], ["f32"])) == [(layer, "f32")]
    new = old | {"sources": sources.sources()}
    assert list(grid.to_measure([layer], [old, new], ["f32"])) == []
    assert sources.newest_of([row(), old, new]) == [new]
    assert sources.newest_of([]) == []
    for folder in ("native/src", "src/signbin/plan"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "native/src/kernel.c").write_text("1")
    (tmp_path / "src/signbin/plan/rates.py").write_text("2")
    before = sources.sources.__wrapped__(tmp_path)
    (tmp_path / "native/src/notes.md").write_text("decides nothing")
    assert sources.sources.__wrapped__(tmp_path) == before
    (tmp_path / "src/signbin/plan/rates.py").write_text("3")
    assert sources.sources.__wrapped__(tmp_path) != before


def test_a_damaged_file_of_rows_is_refused(script, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"no": 1}\n')
    with pytest.raises(FormatError, match=r"rows\.jsonl"):
        script("results").read_rows(tmp_path / "rows.jsonl")


def test_a_loss_is_blamed_on_the_planner_where_another_way_would_hold(script) -> None:
    page = script("grid_page")
    (entry,) = page.entries([row(0.5, {"dense": 2.0, "table": 1.0})])
    assert (entry.chosen, entry.best, entry.regret) == ("dense", "table", 1.0)
    assert entry.reason == "the planner's choice: table takes 1.00 ms"
    (entry,) = page.entries([row(0.5, {"dense": 2.0, "table": 1.5})])
    assert entry.reason == "the kernel: 2 GMAC/s against 4"


def test_every_loss_is_listed_the_worst_first(script) -> None:
    page = script("grid_page")
    rows = [row(0.8, layer="mild"), row(0.95, layer="held"), row(0.5, layer="bad")]
    table = page.losses(rows)
    assert table.index("bad") < table.index("mild")
    assert "held" not in table
    assert page.losses(rows[1:2]) == "No layer is below 0.9 of the fastest peer."
    assert "| all | | 3 | 33.3 % | 0.50 | 0.80 | 0.95 |" in page.summary(rows)


def test_regret_counts_layers_with_a_choice_alone(script) -> None:
    page = script("grid_page")
    choices = [row(ways={"dense": 1.0 + 0.1 * index, "table": 1.0}) for index in range(3)]
    said = page.planner_regret([*choices, row()])
    assert said.startswith("Of 3 layers")
    assert "10.0 % (median)" in said
    assert "20 % |" in said
    assert page.planner_regret([row()]) == "No layer could be run in more than one way."


def test_rows_of_every_cpu_are_told_apart(script, tmp_path: Path) -> None:
    (tmp_path / "grid").mkdir()
    for name in ("2026-01-01-one-avx2", "2026-01-02-one-avx2", "2026-01-01-two-avx2"):
        lines = [{"environment": {"cpu": {"model": name}}}, row()]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / "grid" / f"{name}.jsonl").write_text(text)
    found = script("results").newest_rows("grid", tmp_path)
    assert [one["environment"]["cpu"]["model"] for one in found] == [
        "2026-01-02-one-avx2",
        "2026-01-01-two-avx2",
    ]
