"""What is exported, on an emulated microcontroller: the same bits, in the sizes it states."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import microcontrollers
from benchmarks.cortex_m import board, cmsis
from signbin.errors import ExecutionError
from tests.c_source.conftest import Exported
from tests.c_source.networks import Builder

pytestmark = pytest.mark.skipif(
    board.missing() is not None, reason=f"no {board.missing()}: make ci-tools"
)


@pytest.fixture(scope="module")
def subject(exported: Exported) -> microcontrollers.Subject:
    images = np.random.default_rng(1).normal(0, 2, (2, 3, 16, 16)).astype(np.float32)
    return microcontrollers.Subject("small", exported.graph, images)


@pytest.mark.parametrize("core", list(board.CORES))
def test_every_core_gives_the_same_bits(subject, core: str, tmp_path: Path) -> None:
    """ExecutionError where an output differs; the smaller cores have no float unit."""
    made = microcontrollers.measure_signbin(subject, core, tmp_path / "made")
    assert made["instructions"] > 0
    assert made["images"] == 2


def test_multiplications_and_additions_are_never_fused(subject, tmp_path: Path) -> None:
    flags = ("-std=gnu11", "-O3", "-ffp-contract=fast")
    microcontrollers.measure_signbin(subject, "cortex-m4", tmp_path / "made", flags)


def test_ram_flash_and_stack_are_what_the_header_states(subject, tmp_path: Path) -> None:
    made = microcontrollers.measure_signbin(subject, "cortex-m4", tmp_path / "made")
    stated = made["stated"]
    # structures may be aligned; strings of the compiler's own lie beside the constants
    assert stated["constants"] <= made["constants"] <= stated["constants"] + 400
    assert stated["code"] / 2 < made["code"] <= stated["code"]
    assert stated["ram"] <= made["memory"] <= stated["ram"] + 16
    assert made["statics"] == 0
    assert stated["stack"] / 4 < made["stack"] <= stated["stack"]


def test_weights_of_a_byte_take_more_instructions_and_flash(tmp_path: Path) -> None:
    made = Builder(np.random.default_rng(3), (16, 8, 8))
    last = made.conv2d(made.quantized(), 16, (3, 3), "signed_binary", padding=(1, 1))
    graph = made.graph(made.classified(made.add("global_avg_pool", (last,), (16, 1, 1)), 4))
    images = np.random.default_rng(1).normal(0, 2, (2, 16, 8, 8)).astype(np.float32)
    row = microcontrollers.measure(
        microcontrollers.Subject("layer", graph, images), "cortex-m4", tmp_path
    )
    ours, theirs = row["engines"].values()
    assert theirs["instructions"] > 2 * ours["instructions"]
    assert theirs["weight_bytes"] > 4 * ours["weight_bytes"]
    assert [line[5] for line in microcontrollers.lines_of(row)] == [
        "",
        f"{theirs['instructions'] / ours['instructions']:.2f}",
    ]


def test_cmsis_nn_is_given_the_shape_of_every_convolution(subject, tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="arm_nnfunctions"):
        cmsis.measure_convolutions(subject.graph, tmp_path, "cortex-m4", tmp_path / "made")
    text = (tmp_path / "made" / "layers.h").read_text(encoding="utf-8")
    convolutions = [node for node in subject.graph.nodes if node.op == "conv2d"]
    assert text.count("    {") == len(convolutions)
    assert "    {16, 16, 8, 8, 8, 12, 3, 3, 2, 2, 1, 1}" in text
