"""read_onnx: the nodes of an ONNX model, one after the other, into the IR."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from onnx import ModelProto

from signbin.draft import Finding, Variable, legal_name, raise_findings, shown
from signbin.errors import CaptureError
from signbin.ir import Graph, TensorType, Value, is_name, verify
from signbin.onnx_reader.loading import OnnxSource, load_onnx
from signbin.onnx_reader.node import Coded
from signbin.onnx_reader.table import ALLOWED
from signbin.onnx_reader.walk import FOLLOWS, Shapes, Walk

__all__ = ["NodeFinding", "findings", "read_onnx", "value_names"]


@dataclasses.dataclass(frozen=True)
class NodeFinding:
    """What the reader says of one node of the model's graph.

    position: in the graph's list of nodes. name: the node's own, or of its first result where it
    has none. operator: its type, with its domain where that is not ONNX's own. scope: the module
    it came from, "" where nothing tells it. reason: why it is not read, "" where it is; remedy:
    what to do then. folded: whether it is computed beforehand, of constants alone.
    """

    position: int
    name: str
    operator: str
    scope: str
    reason: str = ""
    remedy: str = ""
    folded: bool = False

    @property
    def supported(self) -> bool:
        """Whether the node is read."""
        return not self.reason

    @property
    def follows(self) -> bool:
        """Whether it is not read only because a node before it is not."""
        return FOLLOWS in self.reason


def read_onnx(
    source: OnnxSource,
    name: str | None = None,
    *,
    input_shapes: Shapes | None = None,
    batched: bool = True,
) -> Graph:
    """The graph of an ONNX model, verified, as :func:`signbin.capture.capture` gives it.

    source: a path, the bytes of a file, or a ModelProto. name: of the graph; None takes the
    file's, or the model's own. input_shapes: extents after the batch, by input, for inputs whose
    extents the file leaves open: ``{"x": (3, 224, 224)}``.

    The first extent of every input is the batch, which any program leaves free, whether or not
    the file states a number; with batched=False the model has none, and every value of the graph
    has one axis more than in the file: the program is given x[None], and makes y[None]. Values
    keep their names, other characters than letters, digits, '_' and '.' become '_'; a node's
    source is the module that its name tells. What depends on constants alone is computed here, by
    ONNX's reference implementation, and weights with two or three values per filter become
    LowBitWeight (see :func:`signbin.draft.recognize`).

    FormatError for what is no well-formed ONNX model; CaptureError for inputs and outputs that are
    not float32 of 2 to 6 axes, the batch included, and, all in one message, for every node the IR
    has no op for.
    """
    given = load_onnx(source)
    graph_name = _name(source, given) if name is None else name
    if not isinstance(graph_name, str) or not is_name(graph_name):
        raise CaptureError(
            "name of the graph", value=graph_name, allowed="letters, digits, '_' and '.'"
        )
    walk = Walk(given, input_shapes or {}, batched=batched)
    walk.run()
    refused = [
        Finding(_where(each), each.operator, each.reason, each.remedy)
        for each in _found(walk)
        if each.reason
    ]
    raise_findings(graph_name, refused, ALLOWED)
    outputs = _outputs(walk, given)
    inputs = tuple(
        Value(variable.name, TensorType("f32", variable.shape)) for variable in walk.inputs
    )
    graph = walk.drafted.graph(graph_name, inputs, outputs)
    verify(graph)
    return graph


def findings(
    source: OnnxSource, *, input_shapes: Shapes | None = None, batched: bool = True
) -> tuple[NodeFinding, ...]:
    """What :func:`read_onnx` says of every node of the graph, in the order of its nodes.

    Nothing is raised for nodes that are not read: what they define stands for itself in the nodes
    after it, with the shape that ONNX infers. FormatError and CaptureError as read_onnx, but for
    nodes. Nodes that no output needs are looked at, too.
    """
    walk = Walk(load_onnx(source), input_shapes or {}, batched=batched)
    walk.run()
    return tuple(_found(walk))


def value_names(source: OnnxSource, *, input_shapes: Shapes | None = None) -> dict[str, str]:
    """Value of :func:`read_onnx`'s graph -> the value of the model that it is, by their names.

    Only values that lie in the graph as they do in the model. Errors as of :func:`findings`.
    """
    model = load_onnx(source)
    walk = Walk(model, input_shapes or {})
    walk.run()
    outputs = zip(_outputs(walk, model), model.graph.output, strict=True)
    found = {name: output.name for name, output in outputs}
    for name, entry in walk.entries.items():
        if isinstance(entry, Variable) and entry.shape == entry.stored:
            found.setdefault(entry.name, name)
    return found


def _found(walk: Walk) -> list[NodeFinding]:
    return [
        NodeFinding(
            number, each.name, each.operator, each.scope, each.reason, each.remedy, each.folded
        )
        for number, each in enumerate(walk.verdicts)
    ]


def _where(found: NodeFinding) -> str:
    return f"{found.scope} (node {found.name})" if found.scope else f"node {found.name}"


def _name(source: OnnxSource, model: ModelProto) -> str:
    if isinstance(source, (str, Path)):
        return legal_name(Path(source).stem)
    return legal_name(model.graph.name or "model")


def _outputs(walk: Walk, model: ModelProto) -> tuple[str, ...]:
    names: list[str] = []
    for output in model.graph.output:
        entry = walk.entries.get(output.name)
        numbers = isinstance(entry, Variable) and not isinstance(entry, Coded)
        if not isinstance(entry, Variable) or not numbers or len(entry.shape) < 2:
            seen = shown(entry.shape) if isinstance(entry, Variable) else "constants alone"
            seen = f"codes {seen}" if isinstance(entry, Coded) else seen
            raise CaptureError(
                f"output {output.name} of the model",
                value=seen,
                allowed="[N, C, ...], computed from the input",
                remedy="end the model at the layer before it",
            )
        made = walk.drafted.reshaped(entry, "", walk.name_of(output.name))
        if made.name in names:
            raise CaptureError(
                f"output {output.name} of the model",
                value=f"the same as output {names.index(made.name)}",
                allowed="every result once",
                remedy="export it once",
            )
        names.append(made.name)
    return tuple(names)
