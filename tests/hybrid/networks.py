"""ONNX models to cut: random ones, any of whose nodes may be anybody's."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

WIDTH = 4


def run(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    # As written, node by node: what is fused or folded differs from part to part.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, feeds)


def random_model(seed: int, nodes: int = 16) -> onnx.ModelProto:
    """Several inputs and outputs, shared constants, fixed nodes, bodies, nodes nobody reads."""
    random = np.random.default_rng(seed)
    inputs = [f"x{n}" for n in range(random.integers(1, 4))]
    constants = {f"w{n}": random.standard_normal((WIDTH, WIDTH)) for n in range(3)}
    values, made = list(inputs), []
    fixed = list(constants)
    for number in range(nodes):
        kind = random.choice(["Add", "Mul", "MatMul", "Relu", "Split", "If", "Neg", "Fixed"])
        recent = values[-6:]
        one, two = random.choice(recent), random.choice([*values, *fixed])
        name = f"v{number}"
        if kind == "Fixed":
            made.append(helper.make_node("Tanh", [random.choice(fixed)], [name], name=name))
            fixed.append(name)
            continue
        if kind == "Split":
            outputs = [f"{name}a", f"{name}b"]
            made.append(helper.make_node("Split", [one], outputs, name=name, axis=1, num_outputs=2))
            made.append(helper.make_node("Concat", outputs[::-1], [name], axis=1))
        elif kind == "If":
            made += _choice(name, one, two)
        elif kind in ("Relu", "Neg"):
            made.append(helper.make_node(kind, [one], [name], name=name))
        else:
            made.append(helper.make_node(kind, [one, two], [name], name=name))
        values.append(name)
    computed = values[len(inputs) :]
    count = int(random.integers(1, min(4, len(computed)) + 1))
    outputs = list(random.choice(computed, count, replace=False))
    return _model(made, inputs, outputs, constants)


def _choice(name: str, one: str, two: str) -> list[onnx.NodeProto]:
    """A node whose bodies read from outside."""
    bodies = {
        f"{branch}_branch": helper.make_graph(
            [helper.make_node(operator, [one, two], [f"{name}_{branch}"])],
            branch,
            [],
            [helper.make_tensor_value_info(f"{name}_{branch}", TensorProto.FLOAT, [None, WIDTH])],
        )
        for branch, operator in (("then", "Add"), ("else", "Sub"))
    }
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0])
    return [
        helper.make_node("ReduceSum", [one], [f"{name}_sum"], keepdims=0),
        helper.make_node("Constant", [], [f"{name}_zero"], value=zero),
        helper.make_node("Greater", [f"{name}_sum", f"{name}_zero"], [f"{name}_if"]),
        helper.make_node("If", [f"{name}_if"], [name], name=name, **bodies),
    ]


def _model(made, inputs, outputs, constants) -> onnx.ModelProto:
    graph = helper.make_graph(
        made,
        "random",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [WIDTH, WIDTH]) for name in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in outputs],
        [numpy_helper.from_array(a.astype(np.float32), name) for name, a in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def feeds_of(model: onnx.ModelProto, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        value.name: random.standard_normal((WIDTH, WIDTH)).astype(np.float32)
        for value in model.graph.input
    }
