"""An ONNX file of which signbin runs what it can, and faster, and ONNX Runtime the rest.

python examples/onnx_with_fallback.py model.onnx       # without a file: a small one is made
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import signbin


def small_network(path: Path) -> None:
    """Convolutions of 1-bit weights around a running sum, which signbin refuses."""
    random = np.random.default_rng(0)
    constants = {
        "stem": random.normal(size=(64, 3, 3, 3)).astype(np.float32),
        "bits": random.choice([-0.05, 0.05], (64, 64, 3, 3)).astype(np.float32),
        "axis": np.array(1, np.int64),
    }
    pads = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["images", "stem"], ["first"], name="first", **pads),
        helper.make_node("Relu", ["first"], ["active"], name="relu"),
        helper.make_node("Conv", ["active", "bits"], ["second"], name="second", **pads),
        helper.make_node("GlobalAveragePool", ["second"], ["mean"], name="pool"),
        helper.make_node("Flatten", ["mean"], ["row"], name="flatten"),
        helper.make_node("CumSum", ["row", "axis"], ["scores"], name="running_sum"),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 32, 32])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 64])
    held = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "small", [images], [scores], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def main(path: Path) -> None:
    """Compile, say who runs what, save, load again, run."""
    program = signbin.compile(path, fallback="onnxruntime")
    print(program.explain() if isinstance(program, signbin.HybridProgram) else program)
    target = path.with_suffix(".sbn")
    program.save(target, overwrite=True)
    images = np.random.default_rng(1).normal(size=(2, 3, 32, 32)).astype(np.float32)
    print(f"{target}: outputs {signbin.load(target)(images).shape}")


if __name__ == "__main__":
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("small.onnx")
    if len(sys.argv) == 1:
        small_network(given)
    main(given)
