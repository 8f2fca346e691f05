"""bench and profile: from a compiled model to one table or one JSON document."""

import json
import sys
from pathlib import Path

import pytest

QUICK = ("--rounds", 3)


def test_bench_races_onnx_runtime_and_prints_one_document(signbin, compiled: Path) -> None:
    result = signbin("bench", compiled, "--against", "onnxruntime", *QUICK, "--json")
    assert result.code == 0, result.err
    found = result.document
    wanted = {"median_ms", "min_ms", "p90_ms", "mean_ms", "threads", "isa", "batch", "peers"}
    assert wanted <= set(found)
    assert {"median_ms", "ratio"} <= set(found["peers"]["onnxruntime"])
    assert found["peers"]["onnxruntime"]["max_relative_error"] <= 1e-4


def test_bench_prints_a_table_and_keeps_the_record(signbin, compiled: Path, tmp_path: Path) -> None:
    record = tmp_path / "bench.json"
    result = signbin("bench", compiled, "--batch", 3, *QUICK, "-o", record)
    assert result.code == 0, result.err
    assert "median ms" in result.out
    assert "signbin" in result.out
    assert json.loads(record.read_text())["batch"] == 3


def test_bench_never_overwrites_a_record_and_says_so_before_it_starts(
    signbin, compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from signbin.verbs import bench

    record = tmp_path / "bench.json"
    record.write_text("mine")
    monkeypatch.setattr(bench, "bench", lambda _: pytest.fail("started"))
    result = signbin("bench", compiled, "-o", record)
    assert result.code == 1
    assert "--force" in result.err
    assert record.read_text() == "mine"


def test_bench_of_8_bit_activations_names_its_float_network_and_calibrates_peers_alike(
    signbin, compiled: Path, trained: Path, quantized
) -> None:
    model = quantized[0]
    given = ("--float", compiled, "--calibrate", trained, "--against", "onnxruntime-int8")
    result = signbin("bench", model, *given, *QUICK, "--json")
    assert result.code == 0, result.err
    found = result.document
    assert (found["activations"], found["max_relative_error"]) == ("u8", 0.0)
    assert found["float_network"] == "the float model it was made from"
    assert found["samples"]["calibration"] == "256 given images"
    assert found["against_float"]["snr_db"] > 15
    peer = found["peers"]["onnxruntime-int8"]
    assert peer["preparation"]["facts"]["images"] == 256
    assert peer["snr_db"] > 15
    table = signbin("bench", model, *given[:-2], *QUICK)
    assert f" {found['against_float']['snr_db']:.1f} dB " in table.out


def test_a_peer_of_another_environment_is_named_by_its_interpreter(
    signbin, compiled: Path, tmp_path: Path
) -> None:
    given = ("--against", "onnxruntime", "--peer-python")
    here = signbin("bench", compiled, *given, f"onnxruntime={sys.executable}", *QUICK, "--json")
    assert here.code == 0, here.err
    nowhere = signbin("bench", compiled, *given, f"onnxruntime={tmp_path / 'python'}")
    assert nowhere.code == 1
    assert "--peer-python onnxruntime=PATH" in nowhere.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--against", "no-such-engine"), "allowed: onnxruntime"),
        (("--against", "openvino-int9"), "openvino-int8, mnn"),
        (("--against", "mnn,mnn"), "each once"),
        (("--against", ""), "engine to compare with"),
        (("--peer-python", "python3"), "FAMILY=PATH"),
        (("--peer-python", "mnn=python3"), "none without --against"),
        (("--against", "mnn", "--peer-python", "openvino=python3"), "allowed: mnn"),
        (("--peer-isa", "avx1024"), "allowed: auto, avx2"),
        (("--float", "no-such-file.sbn"), "only for a model with 8-bit activations"),
        (("--calibrate", "no-such-file.npy"), "no-such-file.npy"),
        (("--rounds", 1), "at least 3"),
        (("--threads", 4096), "cores"),
        (("--isa", "avx1024"), "instruction set"),
    ],
)
def test_bench_refuses_what_it_cannot_do(signbin, compiled: Path, arguments, said) -> None:
    result = signbin("bench", compiled, *arguments)
    assert result.code == 1
    assert result.out == ""
    assert said in result.err


def test_profile_prints_every_step_with_strategy_reason_and_rate(signbin, compiled: Path) -> None:
    result = signbin("profile", compiled, "--json", "-t", 2, "--batch", 3, "--isa", "scalar")
    assert result.code == 0, result.err
    found = result.document
    assert (found["isa"], found["threads"], found["batch"]) == ("scalar", 2, 3)
    wanted = {"name", "strategy", "why", "ms", "gmacs_per_s", "density", "share"}
    assert all(wanted <= set(layer) for layer in found["layers"])
    assert sum(layer["share"] for layer in found["layers"]) == pytest.approx(1.0)
    bucket = [layer for layer in found["layers"] if layer["strategy"] == "bucket"]
    assert bucket
    assert all(layer["ms"] > 0 and 0 < layer["density"] < 1 for layer in bucket)
    assert all(layer["kernel"].endswith("__scalar") for layer in found["layers"])
    assert all(layer["why"] for layer in found["layers"])


def test_profile_prints_a_table(signbin, compiled: Path) -> None:
    result = signbin("profile", compiled)
    assert result.code == 0, result.err
    assert "GMAC/s" in result.out
    assert "sb_f32_bucket_conv2d" in result.out
