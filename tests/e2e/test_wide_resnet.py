"""The example of the trained 1-bit network, whole, on a small one of the same layout."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

EXAMPLE = Path(__file__).parents[2] / "examples" / "wide_resnet.py"
SHORT = EXAMPLE.with_name("one_bit_network.py")
WIDTHS, BLOCKS, EXTENT = (6, 8, 12), 2, 8


def arrays_of(rng) -> dict[str, np.ndarray]:
    """Random parameters: names, shapes and kinds as in the real file."""
    shapes, channels = [(WIDTHS[0], 3, 3, 3)], WIDTHS[0]
    for width in WIDTHS:
        for _ in range(BLOCKS):
            shapes += [(width, channels, 3, 3), (width, width, 3, 3)]
            channels = width
    shapes.append((10, channels, 1, 1))
    arrays = {"epsilon": np.float32(1e-5), "licence": np.array("MIT")}
    for i, shape in enumerate(shapes):
        bits = rng.integers(0, 2, shape).astype(np.uint8)
        arrays[f"conv{i}.bits"] = np.packbits(bits.reshape(-1), bitorder="little")
        arrays[f"conv{i}.shape"] = np.array(shape, np.int32)
        arrays[f"conv{i}.scale"] = np.float32(np.sqrt(2 / np.prod(shape[1:])))
    counts = [3, *(shape[1] for shape in shapes[1:]), 10]
    for i, count in enumerate(counts):
        arrays[f"bn{i}.mean"] = rng.normal(0, 0.3, count).astype(np.float32)
        arrays[f"bn{i}.variance"] = rng.uniform(0.5, 2, count).astype(np.float32)
    arrays["bn0.mean"] += 127
    arrays["bn0.variance"] *= 4000
    arrays["bn0.gamma"] = rng.uniform(0.5, 1.5, 3).astype(np.float32)
    arrays["bn0.beta"] = rng.normal(0, 0.3, 3).astype(np.float32)
    return arrays


def same(x, kernel, stride, value=0.0):
    """TensorFlow's "same": what the stride leaves over lies below and on the right."""
    total = max((-(-x.shape[2] // stride) - 1) * stride + kernel - x.shape[2], 0)
    before, after = total // 2, total - total // 2
    return F.pad(x, (before, after, before, after), value=value)


def expected_of(arrays, x):
    """The network as its paper and its author's code have it, with functions of torch alone."""

    def norm(x, i, gamma=None, beta=None):
        mean, variance = (torch.tensor(arrays[f"bn{i}.{name}"]) for name in ("mean", "variance"))
        return F.batch_norm(x, mean, variance, gamma, beta, eps=float(arrays["epsilon"]))

    def conv(x, i, stride=1):
        shape = tuple(arrays[f"conv{i}.shape"])
        bits = np.unpackbits(arrays[f"conv{i}.bits"], bitorder="little")[: np.prod(shape)]
        weight = (2.0 * bits.reshape(shape) - 1) * arrays[f"conv{i}.scale"]
        return F.conv2d(
            same(x, shape[2], stride), torch.tensor(weight.astype(np.float32)), None, stride
        )

    x = conv(norm(x, 0, torch.tensor(arrays["bn0.gamma"]), torch.tensor(arrays["bn0.beta"])), 0)
    for j in range(len(WIDTHS) * BLOCKS):
        stride = 2 if j and j % BLOCKS == 0 else 1
        inner = conv(F.relu(norm(x, 2 * j + 1)), 2 * j + 1, stride)
        y = conv(F.relu(norm(inner, 2 * j + 2)), 2 * j + 2)
        if stride == 2:
            inside = F.avg_pool2d(same(torch.ones_like(x), 3, 2), 3, 2)
            x = F.avg_pool2d(same(x, 3, 2), 3, 2) / inside
            x = torch.cat([x, torch.zeros_like(y[:, x.shape[1] :])], dim=1)
        x = x + y
    last = 2 * len(WIDTHS) * BLOCKS + 1
    return norm(conv(F.relu(norm(x, last)), last), last + 1).mean((2, 3))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wide") / "small.npz"
    np.savez(path, **arrays_of(np.random.default_rng(0)))
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(1)
    for name in ("airplane", "dog", "truck"):
        (folder / name).mkdir()
        for i in range(6):
            pixels = rng.integers(0, 256, (EXTENT, EXTENT, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLE), *map(str, arguments), "--extent", str(EXTENT)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("example_of_wide_resnet", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_network_is_its_authors(example, network: Path) -> None:
    x = torch.tensor(np.random.default_rng(2).uniform(0, 255, (4, 3, EXTENT, EXTENT))).float()
    with torch.no_grad():
        found = example.read_network(network)(x)
    torch.testing.assert_close(found, expected_of(np.load(network), x), rtol=1e-4, atol=1e-4)


def test_the_short_example_says_what_the_long_one_does(network: Path, images: Path) -> None:
    command = [sys.executable, str(SHORT), str(network), str(images), str(EXTENT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    long = json.loads(run(network, images, "--json", "--calls", 2).stdout)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["float32", "8-bit"]
    for line, kind in zip(lines, ("float", "int8"), strict=True):
        assert f"{long['accuracy'][kind]:.2%} of {long['images']} right" in line


def test_shuffling_keeps_the_counts_of_every_filter(example, network: Path) -> None:
    trained, shuffled = example.read_network(network), example.read_network(network, shuffle=0)
    for one, other in zip(trained.parameters(), shuffled.parameters(), strict=True):
        assert one.dim() < 4 or not torch.equal(one, other)
        counts = [
            (each.flatten(1) > 0).sum(1) if each.dim() == 4 else each for each in (one, other)
        ]
        assert torch.equal(*counts)


def test_the_example_runs_whole(network: Path, images: Path, tmp_path: Path) -> None:
    done = run(network, images, "--json", "--calls", 2, "--save", tmp_path / "made")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["images"] == 18
    assert found["weights"] == "trained"
    assert all(0 <= share <= 1 for share in found["accuracy"].values())
    assert found["top1_agreement"] >= 0.8
    assert found["output_snr_db"] > 15
    assert all(spent > 0 for spent in found["ms_per_image"].values())
    assert found["load_adds"]["millions"] > 0
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"float.sbn", "int8.sbn"}
    short = run(network, images, "--calls", 2, "--first", 6, "--shuffle").stdout
    assert "small.npz, shuffled weights, 6 images" in short
    assert "int8  activations:" in short


@pytest.mark.parametrize("spoiled", ["missing", "shape", "no archive"])
def test_another_file_is_refused_by_name(network: Path, images, tmp_path, spoiled: str) -> None:
    path, arrays = tmp_path / "other.npz", dict(np.load(network))
    if spoiled == "missing":
        del arrays["bn3.mean"]
    arrays["bn2.mean"] = arrays["bn2.mean"][:3] if spoiled == "shape" else arrays["bn2.mean"]
    np.savez(path, **arrays)
    if spoiled == "no archive":
        path.write_bytes(b"nothing")
    done = run(path, images)
    assert done.returncode == 1
    assert "other.npz" in done.stderr
    assert "Traceback" not in done.stderr
