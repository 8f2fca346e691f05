"""Small networks in parts, made by hand: a body of ours between two foreign nodes."""

import numpy as np
import onnx

from signbin.artifact import Artifact
from signbin.hybrid.content import Decision, HybridContent, Part, PartedNetwork, PartEngine, Port
from signbin.interop import to_onnx
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.spec import LowBitWeight

IMAGE = (3, 12, 10)
FILTERS = 8


def low_bit_body() -> Graph:
    random = np.random.default_rng(3)
    codes = random.integers(0, 2, (FILTERS, 3, 3, 3)).astype(np.int8)
    codes[1] *= -1
    weight = LowBitWeight(codes, random.uniform(0.1, 1, FILTERS).astype(np.float32))
    bias = random.standard_normal(FILTERS).astype(np.float32)
    attributes = {"weight": ConstRef("w"), "bias": ConstRef("b"), "padding": (1, 1)}
    out = TensorType("f32", (BATCH, FILTERS, *IMAGE[1:]))
    nodes = (Node("y", "conv2d", ("x",), {**attributes, "activation": "relu"}, out),)
    given = Value("x", TensorType("f32", (BATCH, *IMAGE)))
    return Graph("body", (given,), nodes, ("y",), {"w": weight, "b": bias})


def foreign(operator: str, before: str, after: str, channels: int) -> onnx.ModelProto:
    extents = f"N,{channels},{IMAGE[1]},{IMAGE[2]}"
    return onnx.parser.parse_model(
        f'<ir_version: 9, opset_import: ["" : 18]> g (float[{extents}] {before}) =>'
        f" (float[{extents}] {after}) {{ {after} = {operator}({before}) }}"
    )


def whole_model() -> onnx.ModelProto:
    """Cos, the body, Sin: what the parts compute together, as one ONNX model."""
    body = to_onnx(low_bit_body())
    model = onnx.ModelProto()
    model.CopyFrom(body)
    first = onnx.helper.make_node("Cos", ["image"], ["x"])
    last = onnx.helper.make_node("Sin", ["y"], ["scores"])
    del model.graph.node[:]
    model.graph.node.extend([first, *body.graph.node, last])
    model.graph.input[0].name, model.graph.output[0].name = "image", "scores"
    return model


def content(form=0) -> HybridContent:
    theirs = [foreign("Cos", "image", "x", 3), foreign("Sin", "y", "scores", FILTERS)]
    parts = (
        Part(PartEngine.ONNX_RUNTIME, ("cos",), ("image",), ("x",), "signbin has no Cos"),
        Part(PartEngine.SIGNBIN, ("conv", "relu"), ("x",), ("y",), "1 of 1 layers low-bit"),
        Part(PartEngine.ONNX_RUNTIME, ("sin",), ("y",), ("scores",), "signbin has no Sin"),
    )
    network = PartedNetwork(
        "three",
        (Port("image", "float32", (-1, *IMAGE)),),
        (Port("scores", "float32", (-1, FILTERS, *IMAGE[1:])),),
        parts,
        Decision("signbin's parts", "as it was asked"),
        provenance={"made": "by hand"},
    )
    first, last = (model.SerializeToString() for model in theirs)
    return HybridContent(network, form, (first, Artifact(low_bit_body()), last))
