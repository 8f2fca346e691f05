"""A small network, exported with vectors of its own."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from signbin.c_source import Golden, Network, write_network, write_project
from signbin.ir import Graph, interpret
from tests.c_source.networks import Builder


@dataclasses.dataclass(frozen=True, eq=False)
class Exported:
    """A graph, what was made of it, and where its files are."""

    graph: Graph
    network: Network
    files: Mapping[str, str]
    folder: Path

    @property
    def sources(self) -> list[str]:
        """Paths of the C files of the library."""
        return sorted(str(path) for path in (self.folder / "src").glob("*.c"))


def small_graph() -> Graph:
    """Every kernel but one or two, in 16 x 16 pixels."""
    made = Builder(np.random.default_rng(0), (3, 16, 16))
    relu = {"padding": (1, 1), "activation": "relu"}
    stem = made.conv2d(made.quantized(), 8, (3, 3), "integer", **relu)
    first = made.conv2d(stem, 8, (3, 3), "signed_binary", **relu, offset=True)
    second = made.conv2d(first, 8, (3, 3), "binary", **relu, residual=stem)
    held = made.add("clamp", (second,), (8, 16, 16), low=-1.0, high=1.0)
    third = made.conv2d(held, 12, (3, 3), "ternary", **relu, stride=(2, 2))
    window = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0)}
    pooled = made.add("max_pool2d", (third,), (12, 4, 4), kept=True, **window)
    mean = made.add("avg_pool2d", (pooled,), (12, 2, 2), **window)
    shifted = made.add("channel_bias", (mean,), (12, 2, 2), bias=made.vector(12))
    return made.graph(made.classified(shifted, 6, "signed_binary"))


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    graph = small_graph()
    network = write_network(graph, "small", ("a", "b", "c", "d", "e", "f"))
    images = np.random.default_rng(1).normal(0, 2, (3, 3, 16, 16)).astype(np.float32)
    outputs = interpret(graph, {"images": images})[graph.outputs[0]].reshape(3, -1)
    files = write_project(network, Golden(images, outputs))
    folder = tmp_path_factory.mktemp("exported")
    for path, text in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return Exported(graph, network, files, folder)
