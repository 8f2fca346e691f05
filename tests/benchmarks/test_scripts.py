"""The scripts from end to end, on the smallest things they can measure."""

import dataclasses
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from signbin.artifact import Artifact, write
from signbin.cli import main
from signbin.environment import cpu_flags
from signbin.errors import ExecutionError, SpecError
from signbin.measure import Engine, Family, Schedule, Tolerance
from signbin.runtime import Program


@pytest.fixture
def model(script, tmp_path: Path) -> Path:
    """One signed-binary layer as a model file."""
    layers = script("layers")
    shape = layers.Shape("s", 8, 8, 6, 6, 3, 3, 1, 1, 1)
    graph = layers.one_layer(shape, layers.random_weight(shape, "signed_binary", 0.4))
    write(tmp_path / "tiny.sbn", Artifact(graph))
    return tmp_path / "tiny.sbn"


def only_section(folder: Path, name: str) -> dict:
    (path,) = folder.glob("*.json")
    return json.loads(path.read_text())["sections"][name]


@pytest.mark.skipif("avx2" not in cpu_flags(), reason="needs a CPU with AVX2")
def test_networks_records_a_race_with_what_the_network_is(script, model, tmp_path, capsys) -> None:
    results = tmp_path / "results"
    given = ["--against", "onnxruntime", "--limits", "auto,avx2"]
    code = script("networks").main([str(model), *given, "--rounds", "3", "--results", str(results)])
    assert code == 0
    row, limited = only_section(results, "networks")["rows"]
    assert (row["network"], row["weights"], row["limit"]) == ("tiny", "signed_binary", "auto")
    assert (limited["limit"], limited["isa"]) == ("avx2", "avx2")
    assert row["density"] == pytest.approx(0.4, abs=0.1)
    assert row["peers"]["onnxruntime"]["max_relative_error"] <= 1e-4
    assert row["file_bytes"] == model.stat().st_size
    table = script("tables").of_every_cpu("networks", results)
    assert "| tiny | signed_binary" in table
    assert "onnxruntime" in capsys.readouterr().err


def test_networks_are_compiled_by_the_command_whose_memory_is_measured(script) -> None:
    run_signbin = script("networks").run_signbin
    assert 5e6 < run_signbin("--version") < 1e9
    with pytest.raises(ExecutionError, match=r"signbin run nothing.*got.*nothing"):
        run_signbin("run", "nothing.sbn", "nothing.npy")


def test_networks_with_8_bit_activations_come_with_their_float_network(
    script, tmp_path: Path, monkeypatch
) -> None:
    def run_here(*arguments: str) -> int:
        with pytest.raises(SystemExit, match="0"):
            main(arguments)
        return 1

    monkeypatch.setattr(script("networks"), "run_signbin", run_here)
    given = ["--activations", "int8", "--against", "onnxruntime-int8", "--rounds", "3"]
    code = script("networks").main(["digits_resnet", *given, "--results", str(tmp_path)])
    assert code == 0
    (row,) = only_section(tmp_path, "networks")["rows"]
    assert (row["network"], row["activations"]) == ("digits_resnet", "u8")
    assert row["float_network"] == "the float model it was made from"
    assert row["compile_s"] > 0
    assert row["against_float"]["snr_db"] > 15
    assert row["peers"]["onnxruntime-int8"]["snr_db"] > 15
    assert row["samples"]["calibration"] == "32 images of generated noise"
    table = script("tables").of_every_cpu("networks", tmp_path)
    assert "| signbin, u8 |" in table


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_threads_compares_one_process_with_many(script, model, tmp_path: Path) -> None:
    engine_file = tmp_path / "engine.py"
    engine_file.write_text(
        "import time\n"
        "def open_model(request):\n"
        "    seconds = 0.02 / (0.75 * request['threads'] if request['threads'] > 1 else 1)\n"
        "    return (lambda x: (time.sleep(seconds), x)[1]), {'version': '1'}\n"
    )
    family = Family("sleeper", "sleeper", ("sleeper",))
    engine = Engine("sleeper", family, engine_file, Tolerance(0.0), "sleeps")
    threads = script("threads")
    found = threads.measure_threads(model, 2, rounds=3, engine=engine)
    assert found["share"] == pytest.approx(0.75, rel=0.5)  # sleeps on a shared machine
    assert found["processes_images_per_s"] == pytest.approx(100, rel=0.5)
    assert len(found["cores"]) == 2
    assert found["turns"] == 6  # one of each side a round


class TimedProgram:
    """Our engine, with a record of its steps as a program keeps it."""

    def __init__(self, program):
        self._program = program

    def __getattr__(self, name):
        return getattr(self._program, name)

    def __call__(self, images):
        return self._program(images)

    def profile(self, images):
        self._program(images)
        return [SimpleNamespace(name=node.name, kernel="k", ms=0.5) for node in self.graph.nodes]


@dataclasses.dataclass(frozen=True)
class TimedCall:
    """A peer whose calls are made, and take as long as the test says, however busy the machine."""

    name: str
    call: Callable[[], object]

    def run(self, count):
        self.call()
        return [1.25e-3] * count


@pytest.mark.parametrize(("weights", "groups"), [("signed_binary", 1), ("float", 2), ("binary", 1)])
def test_kernels_compares_with_onednn_before_it_times(script, monkeypatch, weights, groups) -> None:
    kernels, layers, roofline = script("kernels"), script("layers"), script("roofline")
    real = kernels.Program
    monkeypatch.setattr(kernels, "Program", lambda *a, **k: TimedProgram(real(*a, **k)))
    monkeypatch.setattr(kernels, "InProcess", TimedCall)
    shape = layers.Shape("s", 16, 8, 10, 10, 3, 3, 2, 1, groups)
    schedule = kernels.Schedule(rounds=3, warm_up_s=0.0, turn_s=0.005)
    job = kernels.Job(shape, weights, 0.4, "auto", schedule)
    row = kernels.measure_layer(job, roofline.Peaks(1e10, 1e9, 1e10))
    assert row["max_relative_error"] <= 1e-5
    assert row["median_ms"] == pytest.approx(0.5)
    assert row["gmacs_per_s"] == pytest.approx(shape.macs / 0.5e6)
    assert row["ratio"] == pytest.approx(1.25 / 0.5)
    assert row["strategy"] == ("dense" if weights == "float" else row["strategy"])
    assert row["floor_ms"] > 0
    assert "oneDNN" in kernels.line(row)


def test_the_time_of_layers_is_that_of_the_ones_that_are_named(script, model) -> None:
    side = script("program_layers").ProgramLayers
    program, images = TimedProgram(Program.load(model)), np.zeros((1, 8, 6, 6), np.float32)
    assert side("one", program, images).run(2) == pytest.approx([0.5e-3] * 2)
    both = side("two", program, images, frozenset({"layer", "after"}))
    assert both.seconds() == pytest.approx(1e-3)
    with pytest.raises(ExecutionError, match="no_such"):
        side("none", program, images, frozenset({"no_such"})).run(1)


def test_kernels_refuses_to_time_a_layer_that_is_wrong(script, monkeypatch) -> None:
    kernels, layers, roofline = script("kernels"), script("layers"), script("roofline")

    class Wrong(TimedProgram):
        def __call__(self, images):
            return 1.01 * self._program(images)

    real = kernels.Program
    monkeypatch.setattr(kernels, "Program", lambda *a, **k: Wrong(real(*a, **k)))
    monkeypatch.setattr(kernels, "take_turns", lambda *_: pytest.fail("timed"))
    shape = layers.Shape("s", 8, 8, 6, 6, 3, 3, 1, 1, 1)
    job = kernels.Job(shape, "signed_binary", 0.4, "auto", kernels.Schedule())
    with pytest.raises(ExecutionError, match="does not compute the same"):
        kernels.measure_layer(job, roofline.Peaks(1e10, 1e9, 1e10))


SMALL = ("s", 8, 8, 6, 6, 3, 3, 1, 1, 1)
SHAPES = [SMALL, ("s", 16, 8, 7, 9, 3, 3, 2, 1, 1), ("s", 8, 8, 6, 6, 3, 3, 1, 1, 4)]


@pytest.mark.parametrize("shape", SHAPES, ids=["plain", "stride 2", "groups"])
@pytest.mark.parametrize("weights", ["signed_binary", "ternary", "float"])
def test_a_layer_of_codes_is_the_float_layer_in_onnx_runtime(script, shape, weights) -> None:
    layer = script("coded_layer").coded_layer(script("layers").Shape(*shape), weights, 0.4)
    call = script("onnxruntime_int8").convolution(layer)
    assert call.output.dtype == np.uint8
    assert layer.agreement(call.output).snr_db > 35
    before = call.output.copy()
    call.call()
    assert np.array_equal(call.output, before)


def test_onnx_runtime_runs_a_layer_of_codes_as_one_node(script, tmp_path: Path) -> None:
    import onnx

    layer = script("coded_layer").coded_layer(script("layers").Shape(*SMALL), "float", 1.0)
    script("onnxruntime_int8").open_session(layer, str(tmp_path / "optimized.onnx"))
    (node,) = onnx.load(tmp_path / "optimized.onnx").graph.node
    assert node.op_type == "QLinearConv"
    assert {each.name: each.i for each in node.attribute}["channels_last"] == 1


def test_int8_layers_holds_ours_against_the_fastest_engine(script, monkeypatch) -> None:
    int8, layers = script("int8_layers"), script("layers")
    layer = script("coded_layer").coded_layer(layers.Shape(*SMALL), "signed_binary", 0.4)
    real = int8.ENGINES["onnxruntime"]

    def slow(given):
        made = real(given)
        return dataclasses.replace(made, engine="slow", call=lambda: time.sleep(0.01))

    monkeypatch.setattr(int8, "ENGINES", {"slow": slow, "onnxruntime": real})
    row = int8.measure_layer(layer, Schedule(rounds=3, warm_up_s=0.0, turn_s=0.005))
    assert row["fastest"] == "onnxruntime"
    theirs = row["engines"]["onnxruntime"]["median_ms"]
    assert row["ratio"] == pytest.approx(theirs / row["median_ms"], rel=0.9)
    assert row["kernel"].startswith("sb_u8_")
    assert row["snr_db"] > 35
    assert "onnxruntime" in int8.line({"weights": "signed_binary", **row})


def test_int8_layers_refuses_to_time_an_engine_that_is_wrong(script, monkeypatch) -> None:
    int8, layers = script("int8_layers"), script("layers")
    layer = script("coded_layer").coded_layer(layers.Shape(*SMALL), "signed_binary", 0.4)
    real = int8.ENGINES["onnxruntime"]

    def wrong(given):
        made = real(given)
        return dataclasses.replace(made, output=made.output // 2)

    monkeypatch.setattr(int8, "ENGINES", {"onnxruntime": wrong})
    monkeypatch.setattr(int8, "take_turns", lambda *_: pytest.fail("timed"))
    with pytest.raises(ExecutionError, match="onnxruntime 8->8"):
        int8.measure_layer(layer, Schedule(rounds=3))


def test_linear_layers_hold_every_way_of_ours_against_every_peer(script) -> None:
    linear, peers = script("linear_layers"), script("linear_peers")
    wanted = ("onnxruntime-int8", "onnxruntime-2bit", "onnxruntime-4bit", "pytorch-fp32")
    for kind in linear.KINDS:
        weight = linear.random_weight(kind, 70, 256)
        opened = [peers.PEERS[name](weight) for name in wanted]
        row = linear.measure_layer(
            weight, 2, ["portable"], opened, Schedule(rounds=3, warm_up_s=0.0, turn_s=0.001)
        )
        assert [one["name"].split()[0] for one in row["ours"]] == ["program", *["linear"] * 3]
        assert all(set(one["ratios"]) == set(wanted) for one in row["ours"])
        assert row["ours"][1]["max_relative_error"] < 1e-6
        assert "onnxruntime-2bit" in linear.lines({"weights": kind, **row})
        table = script("tables").linear_layers_table({"rows": [{"weights": kind, **row}]})
        assert f"| {kind}, 256 to 70, 2 | onnxruntime-int8 |" in table


def test_linear_layers_refuse_to_time_a_peer_that_is_wrong(script, monkeypatch) -> None:
    linear, peers = script("linear_layers"), script("linear_peers")
    weight = linear.random_weight("binary", 16, 128)
    wrong = peers.LinearPeer("wrong", lambda x: np.zeros((len(x), 16), np.float32), True, {})
    monkeypatch.setattr(linear, "take_turns", lambda *_: pytest.fail("timed"))
    with pytest.raises(ExecutionError, match="wrong"):
        linear.measure_layer(weight, 2, ["portable"], [wrong], Schedule(rounds=3))


def test_instructions_are_the_counts_between_marks(script, monkeypatch, tmp_path: Path) -> None:
    """The process under valgrind is replaced by one that writes callgrind's dumps."""
    fake = tmp_path / "valgrind"
    fake.write_text(
        "#!/bin/sh\n"
        'for word in "$@"; do case $word in --callgrind-out-file=*) out=${word#*=};; esac; done\n'
        "for number in 1 2 3 4; do\n"
        '  printf "events: Ir\\nsummary: %s00\\n" $number > $out.$number\n'
        "done\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert script("instructions").count_instructions([], 2) == [200, 400]
    with pytest.raises(ExecutionError, match="valgrind"):
        script("instructions").count_instructions([], 3)


def test_the_marked_calls_are_those_of_the_program(script, monkeypatch) -> None:
    instructions = script("instructions")
    calls: list[str] = []
    monkeypatch.setattr(instructions.os, "getppid", lambda: calls.append("mark"))
    program = lambda images: calls.append("call") or np.zeros(1)  # noqa: E731
    monkeypatch.setattr(instructions, "make_program", lambda *_: program)
    options = instructions._options(["--shapes", "resnet20", "--weights", "binary"])
    job = instructions.jobs_of(options)[-1]
    instructions.call_once(job, options)
    assert calls == ["call", "mark", "call", "mark"]


def test_training_records_an_epoch_of_ours_and_of_plain_torch(
    script, tmp_path: Path, capsys, monkeypatch
) -> None:
    training = script("training")
    monkeypatch.setattr(training, "_MEASURED_TEST_IMAGES", 64)
    recipe = training.load_recipe
    small = {"model.width": 4, "data.batch_size": 32, "batch_norm_images": 64}
    monkeypatch.setattr(training, "load_recipe", lambda name, given: recipe(name, given | small))
    given = ["--settings", "channels_last", "--weights", "binary", "--rounds", "3"]
    assert training.main([*given, "--results", str(tmp_path)]) == 0
    (row,) = only_section(tmp_path, "training")["rows"]
    assert (row["weights"], row["setting"], row["blocks"]) == ("binary", "channels_last", "paper")
    for side, step in (("signbin", "step"), ("plain", "plain_step")):
        steps = training.STEPS * row[step]["median_ms"] / 1e3
        assert row["epoch_s"][side] == pytest.approx(steps + row["end_of_epoch_s"][side])
    assert row["epoch_ratio"] == pytest.approx(row["epoch_s"]["signbin"] / row["epoch_s"]["plain"])
    assert "| binary | channels_last | 1 | cpu |" in script("tables").of_every_cpu(
        "training", tmp_path
    )
    assert "ratio" in capsys.readouterr().err


def test_weight_kinds_leaves_todays_rows_of_other_activations(script, tmp_path: Path) -> None:
    kinds, results = script("weight_kinds"), script("results")
    options = SimpleNamespace(
        network="resnet18",
        results=tmp_path,
        isa="portable",
        autotune=False,
        kinds=kinds.KINDS,
        section="weight_kinds",
    )
    assert kinds.other_rows(options, ["int8"]) == []
    rows = [
        {"network": network, "activations": activations}
        for network in ("resnet18", "resnet20")
        for activations in ("float", "int8", "int7")
    ]
    results.record("weight_kinds", {"rows": rows, **kinds.made_with(options)}, tmp_path)
    assert kinds.other_rows(options, ["int8", "int7"]) == rows[:1]
    options.autotune = True
    assert kinds.other_rows(options, ["int8", "int7"]) == []
    options.autotune, options.kinds = False, "binary:1"
    assert kinds.other_rows(options, ["int8", "int7"]) == []


def test_weight_kinds_are_read_and_checked(script) -> None:
    kinds = script("weight_kinds")
    assert kinds.read_kinds("signed_binary:0.12,binary:1") == [
        ("signed_binary", 0.12),
        ("binary", 1.0),
    ]
    for wrong in ("octonary:1", "binary", "ternary:0", "ternary:1.5", "ternary:x"):
        with pytest.raises(SpecError, match=f"kind of weights: got '{wrong}'"):
            kinds.read_kinds(wrong)


def test_table_layers_records_every_way_and_what_the_planner_chose(script, tmp_path) -> None:
    tables, shapes = script("table_layers"), script("layers")
    layer = script("coded_layer").coded_layer(
        shapes.Shape("small", 40, 33, 5, 6, 3, 3, 1, 1, 1), "binary", 1.0
    )
    row = tables.measure_layer(layer, "scalar", Schedule(rounds=3))
    assert row["kernels"]["table"].startswith("sb_u8_table_conv2d")
    assert row["ways"].keys() == tables.WAYS.keys() - {"walk"}  # nobody generates scalar code
    assert all(times["min_ms"] > 0 for times in row["ways"].values())
    assert {row["planned"], row["planned_without_code"]} <= row["ways"].keys()
    section = {"rows": [{"weights": "binary", "density": 1.0, "isa": "scalar", **row}]}
    assert "| scalar | binary | 33->40 @5x6 3x3 |" in script("tables").TABLES["table_layers"](
        section
    )
