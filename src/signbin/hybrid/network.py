"""An ONNX model as the cut sees it: which node reads which, and what is a constant.

Values that follow from constants alone (weights behind DequantizeLinear, shapes that are written
down) belong to no part: their nodes are copied into every part that reads them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Final

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from signbin.errors import CaptureError
from signbin.locks import kept_property

__all__ = ["OnnxNetwork", "read_network"]

_RANDOM: Final = frozenset(
    (
        *("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike"),
        *("RandomUniform", "RandomUniformLike"),
    )
)


@dataclasses.dataclass(frozen=True, eq=False)
class OnnxNetwork:
    """A checked model, with its nodes by number in the order in which they run.

    inputs: what a caller gives, initialisers with a default not among it. outputs: as the model
    hands them back. reads and writes: names of values, per node; a node with a body (If, Loop)
    reads what its body takes from outside. fixed: nodes that follow from constants alone. types:
    what is known of values beside the outputs' and inputs' own types.
    """

    model: ModelProto
    nodes: tuple[NodeProto, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, TensorProto]
    reads: tuple[tuple[str, ...], ...]
    writes: tuple[tuple[str, ...], ...]
    fixed: frozenset[int]
    types: Mapping[str, ValueInfoProto]

    @kept_property
    def maker(self) -> Mapping[str, int]:
        """Value -> the node that computes it."""
        return {name: index for index, names in enumerate(self.writes) for name in names}

    @kept_property
    def needs(self) -> tuple[tuple[int, ...], ...]:
        """Per node: those it reads from, each once."""
        return tuple(
            tuple(dict.fromkeys(self.maker[name] for name in names if name in self.maker))
            for names in self.reads
        )

    @kept_property
    def moving(self) -> tuple[int, ...]:
        """The nodes that a cut places, in order: those an output needs, but for fixed ones."""
        wanted, found = set(self.outputs), []
        for index in reversed(range(len(self.nodes))):
            if index not in self.fixed and not wanted.isdisjoint(self.writes[index]):
                found.append(index)
                wanted.update(self.reads[index])
        return tuple(reversed(found))

    def flowing(self, name: str) -> bool:
        """Whether a value is computed from the inputs, so that parts must hand it over."""
        return name in self.inputs or self.maker.get(name, -1) in self.moving_set

    @kept_property
    def moving_set(self) -> frozenset[int]:
        """:attr:`moving`, to look nodes up in."""
        return frozenset(self.moving)

    def name_of(self, index: int) -> str:
        """What people know the node by: its name, or its operator and first output."""
        node = self.nodes[index]
        return node.name or f"{node.op_type} of {next(iter(node.output), '')}"


def read_network(model: ModelProto) -> OnnxNetwork:
    """Check a model and number its nodes.

    CaptureError where ONNX's checker refuses it, where nodes are functions of the model's own, or
    where an output is a constant.
    """
    _check(model)
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes = tuple(graph.node)
    reads = tuple(tuple(_reads(node)) for node in nodes)
    writes = tuple(tuple(name for name in node.output if name) for node in nodes)
    outputs = tuple(value.name for value in graph.output)
    known = [*graph.input, *graph.output, *_inferred(model)]
    return OnnxNetwork(
        model=model,
        nodes=nodes,
        inputs=tuple(value.name for value in graph.input if value.name not in constants),
        outputs=outputs,
        constants=constants,
        reads=reads,
        writes=writes,
        fixed=_fixed(nodes, reads, set(constants), set(outputs)),
        types={value.name: value for value in reversed(known)},
    )


def _check(model: ModelProto) -> None:
    from onnx import checker  # noqa: PLC0415 - beside the error it raises

    name = f"ONNX model {model.graph.name}"
    try:
        checker.check_model(model)
    except (checker.ValidationError, ValueError) as error:
        raise CaptureError(
            name, reason=str(error), allowed="a model that ONNX's checker takes"
        ) from error
    if model.functions:
        raise CaptureError(
            name,
            value=f"{len(model.functions)} functions of its own",
            allowed="operators alone",
            remedy="inline them: onnx.inliner.inline_local_functions",
        )
    constants = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.output:
        if value.name in constants:
            raise CaptureError(
                f"output {value.name} of {name}", value="a constant", allowed="a node's value"
            )


def _inferred(model: ModelProto) -> list[ValueInfoProto]:
    from onnx import shape_inference  # noqa: PLC0415 - beside the error it raises

    try:
        inferred = shape_inference.infer_shapes(model, data_prop=True)
    except (shape_inference.InferenceError, ValueError):  # ValueError: 2 GiB and more
        return list(model.graph.value_info)
    return list(inferred.graph.value_info)


def _reads(node: NodeProto) -> Iterator[str]:
    """Values a node needs from its graph, those that its bodies take from outside included."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for body in _bodies(attribute):
            yield from _taken_from_outside(body)


def _bodies(attribute: AttributeProto) -> list[GraphProto]:
    single = [attribute.g] if attribute.type == AttributeProto.GRAPH else []
    return [*single, *attribute.graphs]


def _taken_from_outside(body: GraphProto) -> Iterator[str]:
    own = {value.name for value in body.input} | {tensor.name for tensor in body.initializer}
    for node in body.node:
        yield from (name for name in _reads(node) if name not in own)
        own.update(node.output)
    yield from (value.name for value in body.output if value.name not in own)


def _fixed(
    nodes: tuple[NodeProto, ...],
    reads: tuple[tuple[str, ...], ...],
    constants: set[str],
    outputs: set[str],
) -> frozenset[int]:
    known, found = set(constants), set()
    for index, node in enumerate(nodes):
        settled = node.op_type not in _RANDOM and known.issuperset(reads[index])
        if settled and outputs.isdisjoint(node.output):
            found.add(index)
            known.update(node.output)
    return frozenset(found)
