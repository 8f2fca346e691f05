"""Does the installed package run a network, with numpy alone? ``run_wheel.py [MODEL.sbn]``."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np

import signbin
from signbin.artifact import Artifact
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value


def made() -> signbin.Program:
    """One layer with known sums."""
    weight = signbin.LowBitWeight(np.ones((2, 3, 2, 2), np.int8), np.array([1, 2], np.float32))
    given = Value("x", TensorType("f32", (BATCH, 3, 4, 4)))
    node = Node(
        "y", "conv2d", ("x",), {"weight": ConstRef("w")}, TensorType("f32", (BATCH, 2, 3, 3))
    )
    return signbin.Program(Artifact(Graph("net", (given,), (node,), ("y",), {"w": weight})))


def main() -> int:
    """Run it, through bytes and back; 0 where its sums are right."""
    program = signbin.Program.from_bytes(made().to_bytes())
    y = program(np.ones((1, 3, 4, 4), np.float32))
    right = np.array_equal(y[0, 0], np.full((3, 3), 12)) and np.array_equal(y[0, 1], 2 * y[0, 0])
    for path in sys.argv[1:]:
        given = signbin.Program.load(path)
        shape = given.graph.inputs[0].type.shape[1:]
        sys.stdout.write(f"{path}: {given(np.zeros((1, *shape), np.float32)).shape}\n")
    extras = [name for name in ("torch", "typer", "onnx") if importlib.util.find_spec(name)]
    sys.stdout.write(f"{program!r}\nright: {right}; also installed: {extras or 'nothing'}\n")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
