"""capture: the fx graph of a model, node by node, into the IR."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, fx, nn

from signbin.capture.export import Exported, export, operator_name
from signbin.draft import (
    ALLOWED,
    OPERATORS,
    REMEDIES,
    Call,
    Drafted,
    Entry,
    Finding,
    Folded,
    Symbolic,
    Unsupported,
    Variable,
    raise_findings,
)
from signbin.errors import CaptureError
from signbin.ir import BATCH, Graph, TensorType, Value, is_name, verify
from signbin.ir.form import Form, default_form, filled
from signbin.ir.verify import MAX_RANK

__all__ = ["capture"]

_DEFAULT_REMEDY: Final = "replace the layer by an allowed one, or move it out of the model"
_SPLITS: Final = ("chunk", "split", "tensor_split", "unbind")


def capture(model: nn.Module, example_inputs: tuple[Tensor, ...], name: str = "model") -> Graph:
    """The graph of a model in eval mode, verified; the model itself is not touched.

    example_inputs: float32 tensors (N, C, ...); shape and dtype matter, values do not, and the
    graph accepts any batch. The results keep the tuples, lists and dicts they are returned in.
    Values carry the names that :func:`reference_values` gives them; a node's source is the fully
    qualified name of its module. What depends on parameters alone is computed here, and weights
    with two or three values per filter become LowBitWeight (see :func:`signbin.draft.recognize`).
    Dropout, identity and reshapes that change nothing leave no node.

    Raises CaptureError: for a model that torch.export cannot trace, for NaN or infinite
    parameters, and, all in one message, for every layer the IR has no op for.
    """
    if not isinstance(name, str) or not is_name(name):
        raise CaptureError("name of the graph", value=name, allowed="letters, digits, '_' and '.'")
    exported = export(model, example_inputs)
    return _Translation(exported, name).graph()


class _Translation:
    """The walk over one exported model."""

    def __init__(self, exported: Exported, name: str) -> None:
        self._exported = exported
        self._name = name
        self._entries: dict[str, Entry] = {}
        self._drafted = Drafted()
        self._findings: list[Finding] = []
        self._inputs: list[Value] = []
        self._batches: set[str] = set()

    def graph(self) -> Graph:
        fx_graph = self._exported.graph_module.graph
        needed = _needed(fx_graph, self._exported.outputs)
        for node in fx_graph.nodes:
            if node.op == "placeholder":
                self._placeholder(node)
            elif node.name in needed:
                self._visit(node)
        outputs = self._outputs()
        raise_findings(self._name, self._findings, ALLOWED)
        form = _form(self._exported.form, outputs)
        names = tuple(dict.fromkeys(outputs))
        graph = self._drafted.graph(self._name, tuple(self._inputs), names, form)
        verify(graph)
        return graph

    def _placeholder(self, node: fx.Node) -> None:
        if node.name in self._exported.constants:
            tensor = self._exported.constants[node.name]
            self._entries[node.name] = Folded(tensor, self._exported.origins[node.name])
            return
        if node.name not in self._exported.inputs:
            return
        result = node.meta.get("val")
        if not isinstance(result, Tensor) or not 2 <= result.ndim <= MAX_RANK:
            raise CaptureError(
                f"input {node.name} of the model",
                value=tuple(result.shape) if isinstance(result, Tensor) else result,
                allowed=f"a tensor (N, C, ...) of 2 to {MAX_RANK} axes",
            )
        self._batches.add(str(result.shape[0]))
        shape = self._shape(node)
        assert shape is not None
        self._inputs.append(Value(node.name, TensorType("f32", shape)))
        self._entries[node.name] = Variable(node.name, shape, shape)
        self._drafted.anchor = self._drafted.anchor or Variable(node.name, shape, shape)

    def _visit(self, node: fx.Node) -> None:
        source = _source(node)
        name = self._exported.names.get(node.name, node.name)
        try:
            self._entries[node.name] = self._entry(node, name, source)
        except Unsupported as finding:
            operator = operator_name(node)
            remedy = finding.remedy or REMEDIES.get(_short(operator), _DEFAULT_REMEDY)
            self._findings.append(Finding(source, operator, finding.reason, remedy))
            self._entries[node.name] = self._stand_in(node, name)

    def _entry(self, node: fx.Node, name: str, source: str) -> Entry:
        if node.op != "call_function":
            raise Unsupported(f"{node.op} is not an operator")
        result = node.meta.get("val")
        if isinstance(result, (torch.SymInt, torch.SymFloat, torch.SymBool)):
            return Symbolic()
        if all(isinstance(self._entries[read.name], Folded) for read in node.all_input_nodes):
            return self._folded(node)
        builder = OPERATORS.get(operator_name(node))
        if builder is None:
            raise Unsupported("not supported")
        shapes = self._shapes(node)
        shape = shapes[0] if shapes else None
        several = shapes if isinstance(node.meta.get("val"), (tuple, list)) else None
        arguments = self._arguments(node)
        _expect_known_numbers(node, arguments)
        return builder(Call(name, source, arguments, shape, self._drafted, several))

    def _folded(self, node: fx.Node) -> Folded:
        """Compute what depends on parameters alone, with PyTorch itself."""
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise Unsupported("draws random numbers", "draw them once, in __init__")

        def value_of(read: fx.Node) -> Any:
            entry = self._entries[read.name]
            assert isinstance(entry, Folded)
            return entry.result

        arguments, keywords = fx.map_arg((node.args, node.kwargs), value_of)
        assert callable(node.target)
        with torch.no_grad():
            result = node.target(*arguments, **keywords)
        origins = [self._entries[read.name] for read in node.all_input_nodes]
        unchanged = len(origins) == 1 and isinstance(origins[0], Folded)
        transposed = _short(operator_name(node)) in ("t", "permute", "transpose")
        origin = origins[0].origin if unchanged and transposed else ""  # type: ignore[union-attr]  # checked in unchanged
        return Folded(result, origin)

    def _arguments(self, node: fx.Node) -> Mapping[str, Any]:
        def entry_of(read: fx.Node) -> Any:
            return self._entries[read.name]

        positional = [fx.map_arg(argument, entry_of) for argument in node.args]
        keywords = {key: fx.map_arg(argument, entry_of) for key, argument in node.kwargs.items()}
        if not isinstance(node.target, torch._ops.OpOverload):
            return dict(zip(("self", "index"), positional, strict=False))
        schema = node.target._schema.arguments
        arguments = {each.name: each.default_value for each in schema if each.has_default_value()}
        names = [each.name for each in schema if not each.kwarg_only]
        return {**arguments, **dict(zip(names, positional, strict=False)), **keywords}

    def _shape(self, node: fx.Node) -> tuple[int, ...] | None:
        """Shape of a node's result, or of its first one; the batch must have stayed free."""
        shapes = self._shapes(node)
        return shapes[0] if shapes else None

    def _shapes(self, node: fx.Node) -> tuple[tuple[int, ...], ...]:
        """Shapes of the tensors a node results in; of batch norm, of the first."""
        result = node.meta.get("val")
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        if not _short(operator_name(node)).startswith(_SPLITS):
            results = results[:1]
        return tuple(self._shape_of(each) for each in results if isinstance(each, Tensor))

    def _shape_of(self, result: Tensor) -> tuple[int, ...]:
        if result.dtype != torch.float32:
            raise Unsupported(f"result of {result.dtype}", "compute in torch.float32 throughout")
        batch, *extents = result.shape if result.ndim else (1,)
        if str(batch) not in self._batches or not isinstance(batch, torch.SymInt):
            raise Unsupported(
                f"result of shape {tuple(result.shape)} has no batch extent first",
                "keep the batch as the first extent: [N, ...]",
            )
        if any(isinstance(extent, torch.SymInt) for extent in extents):
            raise Unsupported(f"extents {tuple(result.shape)} depend on the batch")
        return (BATCH, *(int(extent) for extent in extents))

    def _stand_in(self, node: fx.Node, name: str) -> Entry:
        """Lets the walk go on after a finding, so that every unsupported layer is found."""
        try:
            shape = self._shape(node)
        except Unsupported:
            shape = None
        return Variable(name, shape or (BATCH,), shape or (BATCH,))

    def _outputs(self) -> tuple[str, ...]:
        names: list[str] = []
        for position, output in enumerate(self._exported.outputs):
            entry = self._entries[output]
            if self._findings and not isinstance(entry, Folded):
                continue
            if not isinstance(entry, Variable):
                raise CaptureError(
                    f"output {position} of the model",
                    value="of parameters only",
                    allowed="[N, C, ...], computed from the input",
                    remedy="return the layer's result itself",
                )
            names.append(self._drafted.reshaped(entry, "").name)
        return tuple(names)


def _form(form: Form, outputs: tuple[str, ...]) -> Form | None:
    """The form in numbers of different outputs; None where it is what programs do anyway."""
    names = list(dict.fromkeys(outputs))
    seen: Form = filled(form, [names.index(name) for name in outputs])
    return None if seen == default_form(len(names)) else seen


def _needed(graph: fx.Graph, outputs: Iterable[str]) -> set[str]:
    """Names of the nodes the outputs depend on; assertions and buffer updates are not."""
    by_name = {node.name: node for node in graph.nodes}
    waiting, needed = [by_name[name] for name in outputs], set()
    while waiting:
        node = waiting.pop()
        if node.name not in needed:
            needed.add(node.name)
            waiting.extend(node.all_input_nodes)
    return needed


def _source(node: fx.Node) -> str:
    """Fully qualified name of the innermost module a node was traced in."""
    stack = node.meta.get("nn_module_stack")
    if not stack:
        return ""
    fqn = str(next(reversed(stack.values()))[0])
    return ".".join(part.split("@")[0] for part in fqn.split("."))


def _short(operator: str) -> str:
    return operator.removeprefix("aten.").split(".")[0]


def _expect_known_numbers(node: fx.Node, arguments: Mapping[str, Any]) -> None:
    """Extents may depend on the batch, they are read from results; numbers to compute with not."""
    for argument in getattr(getattr(node.target, "_schema", None), "arguments", ()):
        extent = "int" in str(argument.type).lower()
        if isinstance(arguments.get(argument.name), Symbolic) and not extent:
            raise Unsupported(
                f"{argument.name} depends on the number of images", "compute without that number"
            )
