"""Describing a model: its weights counted once, its plan's layers with what was rejected."""

from pathlib import Path

import numpy as np
import pytest

from signbin.artifact import Artifact
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.plan import Candidate, LayerPlan, Plan, Strategy
from signbin.report import describe_model
from signbin.spec import LowBitWeight

STORED = {"stem.weight": 9, "v": 96}


@pytest.fixture
def opened() -> Artifact:
    image, maps = TensorType("f32", (BATCH, 1, 4, 4)), TensorType("f32", (BATCH, 2, 2, 2))
    codes = np.zeros((2, 1, 3, 3), np.int8)
    codes[0] = 1
    graph = Graph(
        name="net",
        inputs=(Value("x", image),),
        nodes=(
            Node("conv", "conv2d", ("x",), {"weight": ConstRef("stem.weight")}, maps),
            Node("flat", "flatten", ("conv",), {}, TensorType("f32", (BATCH, 8))),
            Node(
                "fc", "linear", ("flat",), {"weight": ConstRef("v")}, TensorType("f32", (BATCH, 3))
            ),
        ),
        outputs=("fc",),
        constants={
            "stem.weight": LowBitWeight(codes, np.ones(2, np.float32)),
            "v": np.ones((3, 8), np.float32),
        },
    )
    taken = Candidate(Strategy.BUCKET, {"filters": 2}, 5.0, "chosen: 5 operations")
    other = Candidate(Strategy.BUCKET, {"filters": 1}, 8.0, "rejected: 8 operations")
    dense = Candidate(Strategy.DENSE, {}, 9.0, "rejected: 9 operations")
    layer = LayerPlan(
        "conv", "conv2d", "signed_binary", 0.5, 72, Strategy.BUCKET, {"filters": 2},
        "chosen: 5 operations", (taken, other, dense),
    )  # fmt: skip
    return Artifact(graph, Plan("portable", (layer,)), None, ("a", "b", "c"), {"recipe": "digits"})


def test_weights_are_those_of_convolution_and_linear_layers(opened, tmp_path: Path) -> None:
    path = tmp_path / "model.sbn"
    path.write_bytes(bytes(84))
    model = describe_model(path, opened, STORED)
    assert (model.weights, model.low_bit_weights) == (18 + 24, 18)
    assert model.size_bytes == 84
    assert model.file_bits_per_weight == pytest.approx(8 * 84 / 42)
    assert model.bits_per_weight == pytest.approx(8 * 9 / 18)


def test_without_a_file_the_size_is_not_given(opened, tmp_path: Path) -> None:
    model = describe_model(tmp_path / "model.sbn", opened, STORED)
    assert model.size_bytes is None
    assert model.file_bits_per_weight is None


def test_layers_carry_the_reason_and_what_was_rejected(opened, tmp_path: Path) -> None:
    model = describe_model(tmp_path / "model.sbn", opened, STORED)
    (layer,) = model.layers
    assert (layer.strategy, dict(layer.parameters)) == ("bucket", {"filters": 2})
    assert (layer.name, layer.module) == ("conv", "stem")
    assert layer.why == "chosen: 5 operations"
    assert layer.rejected == ("bucket (filters 1): 8 operations", "dense: 9 operations")
    assert model.target == "portable"
    assert model.class_names == ("a", "b", "c")
