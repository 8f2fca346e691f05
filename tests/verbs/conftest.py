"""A model file to ask about."""

from pathlib import Path

import numpy as np
import pytest

from signbin.artifact import Artifact, write
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.spec import LowBitWeight


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed-binary convolution with a ReLU, and a dense classifier."""
    rng = np.random.default_rng(0)
    codes = (rng.random((8, 4, 3, 3)) < 0.4).astype(np.int8)
    constants = {
        "w": LowBitWeight(codes, rng.uniform(-1, 1, 8).astype(np.float32)),
        "v": rng.normal(0, 1, (5, 8)).astype(np.float32),
    }
    image = Value("x", TensorType("f32", (BATCH, 4, 9, 9)))
    convolution = {"weight": ConstRef("w"), "padding": (1, 1), "activation": "relu"}
    nodes = (
        Node("c", "conv2d", ("x",), convolution, TensorType("f32", (BATCH, 8, 9, 9))),
        Node("p", "global_avg_pool", ("c",), {}, TensorType("f32", (BATCH, 8, 1, 1))),
        Node("f", "flatten", ("p",), {}, TensorType("f32", (BATCH, 8))),
        Node("y", "linear", ("f",), {"weight": ConstRef("v")}, TensorType("f32", (BATCH, 5))),
    )
    path = tmp_path_factory.mktemp("model") / "model.sbn"
    write(path, Artifact(Graph("small", (image,), nodes, ("y",), constants)))
    return path
