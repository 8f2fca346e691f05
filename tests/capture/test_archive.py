"""A .pt2 archive is the network it was exported from, and nothing in it runs while it is read."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import signbin
from signbin.capture import capture, load_archive, module_of
from signbin.capture.warnings_of_torch import own_warnings_of_torch_ignored
from signbin.errors import CaptureError, FormatError
from signbin.spec import LowBitWeight, ValueSet


class Network(nn.Module):
    """Names to keep, a batch norm, and a view that an export fixes to the size of its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.ReLU())
        self.head = nn.Linear(8 * 4 * 4, 5)
        self.body[0].weight.data = 0.5 * (self.body[0].weight.data > 0)

    def forward(self, image: Tensor) -> Tensor:
        x = self.body(torch.relu_(self.norm(self.stem(image))))
        return self.head(nn.functional.avg_pool2d(x, 2).view(image.shape[0], -1))


def exported(model: nn.Module, batch: int, *, free: bool) -> torch.export.ExportedProgram:
    shapes = ({0: torch.export.Dim.DYNAMIC},) if free else None
    with own_warnings_of_torch_ignored():
        return torch.export.export(
            model.eval(), (torch.zeros(batch, 3, 8, 8),), dynamic_shapes=shapes
        )


@pytest.fixture
def archive(tmp_path, randomized) -> Path:
    path = tmp_path / "network.pt2"
    torch.export.save(exported(randomized(Network()), 2, free=True), path)
    return path


@pytest.mark.parametrize(("batch", "free"), [(2, True), (1, False), (4, False)])
def test_an_archive_computes_what_the_model_did_for_any_batch(
    tmp_path, randomized, batch: int, free: bool
) -> None:
    model = randomized(Network())
    path = tmp_path / "network.pt2"
    torch.export.save(exported(model, batch, free=free), path)
    program = signbin.compile(path)
    images = torch.randn(3, 3, 8, 8)
    with torch.no_grad():
        wanted = model(images).numpy()
    np.testing.assert_allclose(program(images.numpy()), wanted, atol=1e-5)  # sums of 72 products


def test_layers_inputs_and_low_bit_weights_keep_what_they_were(archive) -> None:
    graph = capture(*module_of(load_archive(archive)))
    sources = [node.source for node in graph.nodes if node.op in ("conv2d", "linear", "batch_norm")]
    assert sources == ["stem", "norm", "body.0", "head"]
    assert [value.name for value in graph.inputs] == ["image"]
    (body,) = (each for each in graph.constants.values() if isinstance(each, LowBitWeight))
    assert body.value_set is ValueSet.SIGNED_BINARY


def test_what_was_exported_compiles_without_a_file() -> None:
    model = Network()
    program = signbin.compile(exported(model, 2, free=True))
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        wanted = model(images).numpy()
    np.testing.assert_allclose(program(images.numpy()), wanted, atol=1e-5)


def test_a_program_in_memory_is_left_as_it_was() -> None:
    program = exported(Network(), 2, free=False)
    before = str(program.graph)
    module_of(program)
    assert str(program.graph) == before


def rewritten(path: Path, change: Callable[[str, bytes], bytes], packed: bool = False) -> Path:
    """A copy of an archive with other members."""
    made = path.with_name("changed.pt2")
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w", kind) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return made


class Runs:
    """A pickle that leaves a file behind when it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.trace,)


def test_pickled_example_inputs_do_not_run(archive, tmp_path) -> None:
    trace = tmp_path / "ran"
    held = io.BytesIO()
    torch.save(Runs(trace), held)
    changed = rewritten(
        archive, lambda name, old: held.getvalue() if "sample_inputs/" in name else old
    )
    with pytest.raises(FormatError, match="example inputs"):
        load_archive(changed)
    assert not trace.exists()


@pytest.mark.parametrize("part", ["weights", "constants"])
def test_a_pickled_tensor_does_not_run(archive, tmp_path, part: str) -> None:
    trace = tmp_path / "ran"

    def change(name: str, old: bytes) -> bytes:
        if name.endswith(f"model_{part}_config.json"):
            payload = {"path_name": "weight_0", "is_param": False, "use_pickle": True}
            payload["tensor_meta"] = None
            return json.dumps({"config": {"x": payload}}).encode()
        return pickle.dumps(Runs(trace)) if name.endswith("weight_0") else old

    with pytest.raises(FormatError, match="x: a pickled tensor"):
        load_archive(rewritten(archive, change))
    assert not trace.exists()


@pytest.mark.parametrize(
    ("found", "put", "named"),
    [
        ("torch.ops.aten.relu.default", "torch.hub.load", "operator 'torch.hub.load'"),
        ("torch.ops.aten.relu.default", "torch.os.system", "torch.os.system"),
        ("torch.ops.aten.relu.default", "torch.ops.aten.from_file.default", "from_file"),
        ("Symbol('s", "__import__('os').system('true') + Symbol('s", "__import__"),
        ("Symbol('s", "9**9**9**9 + Symbol('s", r"9\*\*9"),
        ('"as_ints"', '"as_operator"', "as_operator"),
    ],
)
def test_a_list_of_operators_names_operators_alone(archive, found, put, named: str) -> None:
    def change(name: str, old: bytes) -> bytes:
        return old.replace(found.encode(), put.encode()) if "models/" in name else old

    with pytest.raises(FormatError, match=named):
        load_archive(rewritten(archive, change))


def test_members_that_torch_would_run_are_not_handed_to_it(archive) -> None:
    """Shared libraries for AOTInductor, and what archives of other versions held."""
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("network/data/aotinductor/model/model.so", b"\x7fELF")
        opened.writestr("serialized_state_dict.pt", pickle.dumps(Runs(archive.with_name("ran"))))
    signbin.compile(archive)
    assert not archive.with_name("ran").exists()


def test_two_members_of_one_name_are_refused(archive) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("network/models/model.json", b"{}")
    with pytest.raises(FormatError, match="two members of one name"):
        load_archive(archive)


def test_a_compressed_archive_is_not_unfolded(archive) -> None:
    with pytest.raises(FormatError, match="compressed"):
        load_archive(rewritten(archive, lambda _, old: old, packed=True))


def test_a_damaged_archive_is_an_error_of_ours(archive) -> None:
    content = archive.read_bytes()
    damaged = archive.with_name("damaged.pt2")
    random = np.random.default_rng(0)
    for _ in range(40):
        broken = bytearray(content)
        for place in random.integers(0, len(content), 20):
            broken[place] = random.integers(0, 256)
        damaged.write_bytes(broken[: random.integers(1, len(broken) + 1)])
        try:
            capture(*module_of(load_archive(damaged)))
        except (FormatError, CaptureError):
            continue


def test_inputs_that_are_not_float32_are_named(tmp_path) -> None:
    class Embeds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(9, 4)

        def forward(self, tokens: Tensor) -> Tensor:
            return self.table(tokens)

    with own_warnings_of_torch_ignored():
        program = torch.export.export(Embeds(), (torch.zeros(2, 3, dtype=torch.int64),))
    with pytest.raises(CaptureError, match="input tokens of the archive"):
        module_of(program)
