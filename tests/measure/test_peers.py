"""The engines in the list, where they are installed: each computes the network it is given."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from signbin import measure
from signbin.artifact import Artifact, write
from signbin.environment import cpu_flags
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.measure.peers import SERVE
from signbin.spec import LowBitWeight
from signbin.verbs import bench

QUICK = measure.Schedule(rounds=3, warm_up_s=0.01, turn_s=0.005)
MODULES = {"onnxruntime": ("onnxruntime", "onnx"), "openvino": ("openvino", "nncf")}
MODULES |= {"mnn": ("MNN", "_tools")}


def needs(*families: str) -> pytest.MarkDecorator:
    """A skip that names the extras of what is missing."""
    missing = [
        family
        for family in families
        if not all(importlib.util.find_spec(module) for module in MODULES[family])
    ]
    extras = ",".join(missing)
    return pytest.mark.skipif(bool(missing), reason=f"needs signbin[{extras}]")


NEEDS = {
    "onnxruntime": needs("onnxruntime"),
    "onnxruntime-int8": needs("onnxruntime"),
    "openvino": needs("openvino"),
    "openvino-int8": needs("openvino", "onnxruntime"),
    "mnn": needs("mnn"),
}
EVERY_PEER = [pytest.param(name, marks=NEEDS[name]) for name in measure.PEERS]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A residual block of signed-binary convolutions between a dense stem and a classifier."""
    rng = np.random.default_rng(0)
    constants = {
        "stem": (rng.normal(0, 1, (16, 3, 3, 3)) / 27**0.5).astype(np.float32),
        "one": low_bit(rng, 16),
        "two": low_bit(rng, 16),
        "classes": rng.normal(0, 0.5, (10, 16)).astype(np.float32),
    }
    image = Value("x", TensorType("f32", (BATCH, 3, 16, 16)))
    wide, point = (TensorType("f32", (BATCH, 16, size, size)) for size in (16, 1))
    relu = {"padding": (1, 1), "activation": "relu"}
    nodes = (
        Node("s", "conv2d", ("x",), {"weight": ConstRef("stem"), **relu}, wide),
        Node("a", "conv2d", ("s",), {"weight": ConstRef("one"), **relu}, wide),
        Node("b", "conv2d", ("a", "s"), {"weight": ConstRef("two"), **relu}, wide),
        Node("p", "global_avg_pool", ("b",), {}, point),
        Node("f", "flatten", ("p",), {}, TensorType("f32", (BATCH, 16))),
        Node(
            "y", "linear", ("f",), {"weight": ConstRef("classes")}, TensorType("f32", (BATCH, 10))
        ),
    )
    path = tmp_path_factory.mktemp("model") / "model.sbn"
    write(path, Artifact(Graph("block", (image,), nodes, ("y",), constants)))
    return path


def low_bit(rng: np.random.Generator, channels: int) -> LowBitWeight:
    codes = (rng.random((channels, channels, 3, 3)) < 0.4).astype(np.int8)
    scale = rng.choice([-1, 1], channels) * (0.4 * 9 * channels) ** -0.5
    return LowBitWeight(codes, scale.astype(np.float32))


@pytest.fixture(scope="module")
def raced(model: Path):
    """name, limit -> the peer's JSON record; every race is run once."""
    records: dict[tuple[str, str], dict] = {}

    def race(name: str, limit: str = "auto") -> dict:
        if (name, limit) not in records:
            request = bench.BenchRequest(model, (name,), peer_isa=limit, schedule=QUICK)
            found = json.loads(json.dumps(bench.bench(request).to_json(), allow_nan=False))
            records[name, limit] = found["peers"][name]
        return records[name, limit]

    return race


@pytest.mark.parametrize("name", EVERY_PEER)
def test_a_peer_computes_the_network_and_says_what_it_is(raced, name: str) -> None:
    found = raced(name)
    quantized = name.endswith("int8")
    assert found["snr_db"] > (10.0 if quantized else 80.0)  # 22 dB and more with VNNI
    assert found["top1_agreement"] >= (0.8 if quantized else 1.0)
    assert found["version"][0].isdecimal()
    assert found["isa"] not in ("", "unknown")
    assert found["isa_from"]
    assert found["threads"] == 1
    assert found["median_ms"] > 0


@needs("openvino", "onnxruntime")
def test_openvino_races_both_ways_of_quantising_and_names_the_faster(raced) -> None:
    chosen = raced("openvino-int8")["preparation"]
    assert set(chosen["medians_ms"]) | set(chosen["refused"]) == {"qdq", "nncf"}
    assert chosen["name"] in chosen["medians_ms"]
    assert chosen["facts"]["images"] == 32


@needs("openvino")
@pytest.mark.skipif("avx2" not in cpu_flags(), reason="needs a CPU with AVX2")
def test_openvino_can_be_limited_to_avx2_and_then_runs_it(raced) -> None:
    found = raced("openvino", "avx2")
    assert found["isa"] == found["isa_limit"] == "avx2"
    assert found["variables"] == {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    assert not [kind for kind in found["primitives"] if "conv" in kind and "avx512" in kind]
    assert "ONEDNN_MAX_CPU_ISA" not in os.environ


@needs("onnxruntime")
def test_an_engine_without_a_switch_races_unlimited_and_says_so(raced) -> None:
    found = raced("onnxruntime", "avx2")
    assert (found["isa_limit"], found["variables"]) == (None, {})


@needs("onnxruntime")
def test_the_quantised_onnx_is_u8s8_per_filter_within_7_bits(model: Path, tmp_path: Path) -> None:
    import onnx

    prepared = prepare("qdq", model, tmp_path)
    loaded = onnx.load(prepared)
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in loaded.graph.initializer}
    weights = [name for name, array in arrays.items() if array.dtype == np.int8 and array.ndim == 4]
    assert len(weights) == 3
    for name in weights:
        assert np.abs(arrays[name].astype(int)).max() <= 64
        scale = name.removesuffix("_quantized") + "_scale"
        assert arrays[scale].shape == (16,)
    types = {
        arrays[node.input[2]].dtype
        for node in loaded.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] in ("x", "s", "a", "b")
    }
    assert types == {np.dtype(np.uint8)}


@needs("mnn")
def test_converting_for_mnn_installs_nothing_and_calls_nobody(model: Path, tmp_path: Path) -> None:
    """Its scripts would; an audit hook refuses processes and connections, and nothing asks."""
    guard = tmp_path / "guard.py"
    guard.write_text(
        "import runpy, sys\n"
        "FORBIDDEN = ('subprocess.Popen', 'os.system', 'os.exec', 'os.posix_spawn', 'os.fork',\n"
        "             'socket.connect', 'socket.getaddrinfo')\n"
        "def refuse(event, arguments):\n"
        "    if event in FORBIDDEN:\n"
        "        raise RuntimeError(f'{event} {arguments}')\n"
        "sys.addaudithook(refuse)\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    converted = prepare("converted", model, tmp_path, guard=guard)
    assert converted.stat().st_size > 10_000


@pytest.mark.parametrize(
    "family", [pytest.param(each, marks=needs(each)) for each in ("openvino", "mnn")]
)
def test_no_engine_loads_what_reports_to_its_maker(family: str) -> None:
    files = [str(engine.file) for engine in measure.PEERS.values() if engine.family.name == family]
    files += [
        str(preparation.file)
        for engine in measure.PEERS.values()
        for preparation in engine.preparations
        if preparation.family.name == family
    ]
    code = (
        "import runpy, sys\n"
        "for file in sys.argv[1:]: runpy.run_path(file)\n"
        "reporting = {'openvino_telemetry.main', 'MNN.tools', 'aliyun'}\n"
        "print(sorted(reporting & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *files],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def prepare(name: str, model: Path, folder: Path, guard: Path | None = None) -> Path:
    """Run a preparation by itself; the file it made."""
    from signbin import artifact, interop

    preparation = next(
        each
        for engine in measure.PEERS.values()
        for each in engine.preparations
        if each.name == name
    )
    opened = artifact.read(model)
    interop.write_onnx(opened.graph, folder / "network.onnx")
    np.save(folder / "calibration.npy", bench.gather_images(opened, 1).calibration)
    output = folder / f"prepared{preparation.suffix}"
    request = {
        "do": "prepare",
        "model": str(folder / "network.onnx"),
        "calibration": str(folder / "calibration.npy"),
        "output": str(output),
        "cores": sorted(os.sched_getaffinity(0)),
    }
    guarded = [] if guard is None else [str(guard)]
    done = subprocess.run(
        [sys.executable, *guarded, str(SERVE), str(preparation.file)],
        input=json.dumps(request) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["event"] == "prepared"
    return output
