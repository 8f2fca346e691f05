"""Valid files of every kind, for fuzzers to begin from: what signbin itself writes, all small."""

from __future__ import annotations

import functools
import io
import json
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from reliability.fuzz.trace import trace_of
from reliability.same_bits import random_networks
from signbin import artifact as sbn
from signbin import native
from signbin.artifact import Artifact
from signbin.artifact.frame import canonical_json
from signbin.errors import PlanError, SignbinError
from signbin.interop import Flavour, to_onnx
from signbin.ir import Graph
from signbin.passes import lower
from signbin.plan import Strategy, Target, make_plan
from signbin.runtime import Program
from signbin.shipped import EXPERIMENTS, RECIPES

__all__ = ["SEEDS", "exported_members", "network_with_plans"]

_NETWORKS: Final = 24


@functools.cache
def _networks() -> tuple[Graph, ...]:
    """Small networks of every operation, float32 and on codes, lowered and runnable."""
    made = random_networks()
    found = []
    for seed in range(_NETWORKS):
        for graph in (lower(made.random_network(seed)), made.random_quantized_network(seed)):
            computed = {node.name for node in graph.nodes}
            if set(graph.outputs) <= computed:
                found.append(graph)
    return tuple(found)


def _traces() -> Iterator[bytes]:
    """Networks as the calls that build them, as planned and with every strategy."""
    isas = [kernel.isa for kernel in native.kernels() if kernel.usable]
    for number, graph in enumerate(_networks()):
        yield trace_of(graph, threads=1 + number % 3)
        yield trace_of(graph, isa=sorted(set(isas))[number % len(set(isas))], jit=bool(number % 2))
        strategy = list(Strategy)[number % len(Strategy)]
        try:
            yield trace_of(graph, strategy=strategy)
        except PlanError:  # serves no layer of this network
            continue
    for graph in _new_networks():
        yield trace_of(graph)


def _new_networks() -> Iterator[Graph]:
    """What ``signbin new`` makes of its smallest network."""
    from signbin.capture import capture  # noqa: PLC0415
    from signbin.spec import ValueSet  # noqa: PLC0415
    from signbin.train import BenchmarkNetwork, load_run, new_network  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        for kind in (ValueSet.SIGNED_BINARY, ValueSet.TERNARY):
            wanted = BenchmarkNetwork("digits_resnet", kind, classes=3, image_size=8, width=4)
            new_network(wanted, Path(folder) / kind.value)
            run = load_run(Path(folder) / kind.value)
            import torch  # noqa: PLC0415

            yield lower(capture(run.model, (torch.zeros(2, *run.dataset.shape),)))


def _executions() -> Iterator[bytes]:
    """How a program is run, and its calls; or chance instead of them."""
    for number, trace in enumerate(_traces()):
        yield bytes([8 * (number % 4), number % 3]) + trace
    rng = np.random.default_rng(0)
    for number in range(64):
        yield bytes([1 + 2 * (number % 2) + 8 * (number % 3), number % 3]) + rng.bytes(40)


def _sharings() -> Iterator[bytes]:
    rng = np.random.default_rng(0)
    for number in range(32):
        members = rng.bytes(int(rng.integers(4, 400)))
        yield bytes([number % 8, 1 + number % 20, 1 + number * 3 % 70]) + members + bytes(6)


def _files() -> Iterator[bytes]:
    for graph in _networks():
        if sum(constant.size for constant in _arrays(graph)) < 1500:
            yield b"\1" + sbn.encode(Artifact(graph, provenance={"seed": "0"}))
    yield b"\1" + sbn.encode(network_with_plans())


def _arrays(graph: Graph) -> list[Any]:
    return [getattr(constant, "codes", constant) for constant in graph.constants.values()]


@functools.cache
def network_with_plans() -> Artifact:
    """A small network with layers of low-bit weights, and the plan for it."""
    made = random_networks()
    seeds = (lower(made.random_network(seed)) for seed in range(100))
    fitting = [
        graph
        for graph in seeds
        if sum(hasattr(each, "value_set") for each in graph.constants.values()) >= 2
        and set(graph.outputs) <= {node.name for node in graph.nodes}
    ]
    graph = min(fitting, key=lambda graph: sum(each.size for each in _arrays(graph)))
    return Artifact(graph, make_plan(graph, native.kernels(), Target.from_cpu(native.cpu())))


def _plans() -> Iterator[bytes]:
    artifact = network_with_plans()
    assert artifact.plan is not None
    yield canonical_json(artifact.plan.to_json())
    for strategy in Strategy:
        try:
            program = Program(artifact, strategy=strategy)
        except SignbinError:
            continue
        yield canonical_json(program.plan.to_json())


def _onnx() -> Iterator[bytes]:
    for graph in _networks():
        for flavour in Flavour:
            try:
                model = to_onnx(graph, flavour)
            except SignbinError:
                continue
            if model.ByteSize() < 4096:
                yield model.SerializeToString()


def _packs() -> Iterator[bytes]:
    from signbin.spec import ValueSet  # noqa: PLC0415
    from signbin.train import BenchmarkNetwork, load_run, new_network, pack_run  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        for kind in (ValueSet.SIGNED_BINARY, ValueSet.BINARY, ValueSet.TERNARY, ValueSet.FLOAT):
            path = Path(folder) / kind.value
            new_network(
                BenchmarkNetwork("digits_resnet", kind, classes=3, image_size=8, width=4), path
            )
            yield pack_run(load_run(path))


def _texts() -> Iterator[bytes]:
    for name in RECIPES.names():
        yield b"\0" + RECIPES.read(name)[0].encode()
    for name in EXPERIMENTS.names():
        yield b"\1" + EXPERIMENTS.read(name)[0].encode()
    package = Path(str(native.__file__)).parents[1]
    for path in sorted((package / "analysis" / "tables").glob("*.toml")):
        yield b"\2" + path.read_bytes()
    yield b"\3# a comment\nstem 8 3 32 32 3 3 1 1 1\n"
    yield b"\0epochs: 3\nweights: &w binary\nseeds: [0, 1]\nmodel: {name: resnet20}\n"


def _images() -> Iterator[bytes]:
    rng = np.random.default_rng(0)
    for number, kind in enumerate(("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "ICO")):
        for mode in ("RGB", "L", "P", "RGBA", "1"):
            pixels = rng.integers(0, 256, (5 + number, 7, 3), np.uint8)
            content = io.BytesIO()
            try:
                Image.fromarray(pixels).convert(mode).save(content, kind)
            except (OSError, ValueError):  # the format has no such mode
                continue
            yield bytes([number % 3]) + content.getvalue()


def _requests() -> Iterator[bytes]:
    numbers = np.arange(6, dtype=np.float32)
    tensor: dict[str, Any] = {"name": "x", "shape": [2, 3], "datatype": "FP32"}
    plain = {"id": "1", "inputs": [tensor | {"data": numbers.tolist()}], "outputs": [{"name": "y"}]}
    body = json.dumps(plain).encode()
    yield bytes(3) + body
    compressor = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    yield b"\1\0\0" + compressor.compress(body) + compressor.flush()
    yield b"\2\0\0" + zlib.compress(body)
    sized = tensor | {"parameters": {"binary_data_size": numbers.nbytes}}
    header = json.dumps({"inputs": [sized], "parameters": {"binary_data_output": True}}).encode()
    yield b"\4" + len(header).to_bytes(2, "little") + header + numbers.tobytes()
    for kind, data in (
        ("UINT8", [[1, 2], [3, 4]]),
        ("BOOL", [True]),
        ("INT64", [-1]),
        ("FP16", []),
    ):
        shape = list(np.shape(data))
        document = {"inputs": [{"name": "z", "shape": shape, "datatype": kind, "data": data}]}
        yield bytes(3) + json.dumps(document).encode()


def _arrays_of_numpy() -> Iterator[bytes]:
    rng = np.random.default_rng(0)
    for array in (np.zeros((2, 3), np.float32), rng.integers(0, 9, (4,)), np.float64(1)):
        content = io.BytesIO()
        np.save(content, array)
        yield b"\0" + content.getvalue()
    content = io.BytesIO()
    np.savez(content, x=np.zeros((2, 3), np.float32), y=np.arange(3))
    yield b"\1" + content.getvalue()
    content = io.BytesIO()
    np.savez_compressed(content, x=np.zeros((2, 3), np.float32))
    yield b"\1" + content.getvalue()
    picture = next(_images())[1:]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a/b.png", picture)
    yield b"\2" + content.getvalue()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tarred:
        member = tarfile.TarInfo("b.png")
        member.size = len(picture)
        tarred.addfile(member, io.BytesIO(picture))
    yield b"\3" + content.getvalue()


@functools.cache
def exported_members() -> Mapping[str, bytes]:
    """A small network as torch.export.save writes it, by member."""
    import torch  # noqa: PLC0415

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten())
    free = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(model, (torch.zeros(2, 1, 4, 4),), dynamic_shapes=free)
    content = io.BytesIO()
    torch.export.save(program, content)
    with zipfile.ZipFile(content) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _exports() -> Iterator[bytes]:
    for name, content in exported_members().items():
        if name.endswith("models/model.json"):
            yield json.dumps(json.loads(content)).encode()
    rng = np.random.default_rng(0)
    for changes in range(1, 17):
        yield b"\1" + rng.bytes(5 * changes)


SEEDS: Final[Mapping[str, Callable[[], Iterator[bytes]]]] = {
    "builder": _traces,
    "executor": _executions,
    "sharing": _sharings,
    "sbn": _files,
    "plan": _plans,
    "onnx": _onnx,
    "safetensors": _packs,
    "texts": _texts,
    "images": _images,
    "requests": _requests,
    "arrays": _arrays_of_numpy,
    "exports": _exports,
}
"""Target -> valid inputs of it."""
