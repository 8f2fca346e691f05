"""bench: a model file raced against ONNX Runtime, and against engines that are wrong."""

import json
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from signbin import benchmark, measure
from signbin.artifact import Artifact, write
from signbin.errors import ExecutionError, FormatError, SpecError
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.spec import LowBitWeight

QUICK = measure.Schedule(rounds=3, warm_up_s=0.01, turn_s=0.005)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One signed-binary convolution and a ReLU."""
    rng = np.random.default_rng(0)
    codes = (rng.random((8, 4, 3, 3)) < 0.4).astype(np.int8)
    weight = LowBitWeight(codes, rng.uniform(-1, 1, 8).astype(np.float32))
    image = Value("x", TensorType("f32", (BATCH, 4, 9, 9)))
    attributes = {"weight": ConstRef("w"), "padding": (1, 1), "activation": "relu"}
    node = Node("y", "conv2d", ("x",), attributes, TensorType("f32", (BATCH, 8, 9, 9)))
    path = tmp_path_factory.mktemp("model") / "model.sbn"
    write(path, Artifact(Graph("small", (image,), (node,), ("y",), {"w": weight})))
    return path


@pytest.fixture
def listed(engine, monkeypatch: pytest.MonkeyPatch):
    """Put an engine into the list of peers."""

    def add(source: str, **row):
        made = engine(source, **row)
        rows = MappingProxyType({**measure.PEERS, made.name: made})
        monkeypatch.setattr("signbin.measure.peers.PEERS", rows)
        return made.name

    return add


def test_onnx_runtime_computes_the_same_network_and_is_timed_beside_ours(model: Path) -> None:
    request = benchmark.BenchRequest(model, ("onnxruntime",), batch=2, schedule=QUICK)
    found = json.loads(json.dumps(benchmark.bench(request).to_json(), allow_nan=False))
    peer = found["peers"]["onnxruntime"]
    assert found["batch"] == 2
    assert found["threads"] == peer["threads"] == 1
    assert found["cores"] == peer["cores"]
    assert found["max_relative_error"] <= 1e-5
    assert peer["max_relative_error"] <= 1e-5
    for engine in (found, peer):
        assert 0 < engine["min_ms"] <= engine["median_ms"] <= engine["p90_ms"]
        assert engine["mean_ms"] >= engine["min_ms"]
        assert 1e6 < engine["baseline_bytes"] < engine["peak_bytes"] < 1e9
    assert peer["ratio_low"] <= peer["ratio"] <= peer["ratio_high"]
    assert found["isa"] in {"portable", "avx2", "scalar", "neon", "avx512"}
    assert found["environment"]["cpu"]["architecture"]


def test_without_peers_ours_is_timed_alone(model: Path) -> None:
    found = benchmark.bench(benchmark.BenchRequest(model, isa="scalar", schedule=QUICK)).to_json()
    assert found["peers"] == {}
    assert found["isa"] == "scalar"


def test_a_peer_that_disagrees_is_an_error_and_nothing_is_timed(
    model: Path, listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = listed(
        "import numpy\ndef open_model(request):\n"
        "    return (lambda x: numpy.ones((len(x), 8, 9, 9), 'f')), {'version': '1'}",
        name="liar",
    )
    monkeypatch.setattr(benchmark, "take_turns", lambda *_: pytest.fail("timed"))
    with pytest.raises(ExecutionError, match="liar does not compute the same network"):
        benchmark.bench(benchmark.BenchRequest(model, (name,), schedule=QUICK))


def test_a_missing_peer_is_an_error(model: Path, listed) -> None:
    name = listed("import no_such_engine", name="absent")
    with pytest.raises(ExecutionError, match="pip install some-package"):
        benchmark.bench(benchmark.BenchRequest(model, (name,), schedule=QUICK))


@pytest.mark.parametrize(
    "wrong",
    [
        {"against": ("no-such-engine",)},
        {"against": ("onnxruntime", "onnxruntime")},
        {"peer_python": {"onnxruntime": Path("python3")}},
    ],
)
def test_a_request_that_makes_no_sense_is_refused(model: Path, wrong) -> None:
    with pytest.raises(SpecError):
        benchmark.BenchRequest(model, **wrong)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"threads": 0}, {"isa": "avx1024"}])
def test_a_setting_out_of_range_is_refused_before_anything_starts(
    model: Path, wrong, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "WorkerProcess", lambda *_: pytest.fail("started"))
    with pytest.raises((SpecError, ExecutionError)):
        benchmark.bench(benchmark.BenchRequest(model, **wrong))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.sbn").write_bytes(b"nothing")
    with pytest.raises(FormatError):
        benchmark.bench(benchmark.BenchRequest(tmp_path / "model.sbn"))


def test_an_interpreter_is_given_by_name_and_path() -> None:
    assert benchmark.parse_peer_python("onnxruntime=/opt/python") == (
        *("onnxruntime", Path("/opt/python")),
    )
    for wrong in ("/opt/python", "onnxruntime=", "other=/opt/python"):
        with pytest.raises(SpecError):
            benchmark.parse_peer_python(wrong)
