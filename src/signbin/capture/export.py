"""Runs torch.export on a private copy of the model and names what comes out.

Capturing and computing reference values both start here, so that a value has the same name in
the graph, in PyTorch and in the compiled program.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from torch.export import Dim, ExportedProgram, ShapesCollection
from torch.export.graph_signature import InputKind, OutputKind, TensorArgument
from torch.utils._pytree import tree_unflatten

from signbin.capture.attention import replace_attention
from signbin.capture.dequantized import dequantize_parameters
from signbin.capture.quantized_input import float_layer
from signbin.capture.warnings_of_torch import own_warnings_of_torch_ignored
from signbin.draft import OPERATORS
from signbin.errors import CaptureError
from signbin.ir.form import Form
from signbin.quant import QConv2d, QLinear

__all__ = ["Exported", "export", "operator_name"]

_BATCH_OF_EXAMPLE: Final = 2  # torch.export fixes an extent of 0 or 1 instead of keeping it free
_MOST_NAMES: Final = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Exported:
    """A model as a functional fx graph: no operator changes its input.

    constants: the tensor behind every placeholder that is a parameter, buffer or literal;
    origins: its fully qualified name in the model. inputs and outputs: fx node names, in the
    order of the model's own; form: how it returns the outputs. names: fx node name -> name of its
    value in the graph: the operator's name, numbered from the second on (``conv2d``, ``conv2d_1``).
    """

    graph_module: fx.GraphModule
    constants: Mapping[str, Tensor]
    origins: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    form: Form
    names: Mapping[str, str]


def export(model: nn.Module, example_inputs: tuple[Tensor, ...]) -> Exported:
    """Export a copy of the model in eval mode, on the CPU, with a free batch extent.

    Quantised layers are replaced by float ones that hold their dequantised weights. The model
    itself is not touched. Raises CaptureError where the model or the inputs cannot be exported.
    """
    _check_inputs(example_inputs)
    prepared = _prepared(model)
    example = tuple(_example(tensor) for tensor in example_inputs)
    program = _functional(prepared, example)
    constants, origins = _constants(program)
    return Exported(
        graph_module=program.graph_module,
        constants=constants,
        origins=origins,
        inputs=_inputs(program),
        outputs=_outputs(program),
        form=_form(program),
        names=_names(program.graph),
    )


def operator_name(node: fx.Node) -> str:
    """``aten.conv2d.default`` for an operator; the function's name for anything else."""
    if isinstance(node.target, str):
        return node.target
    if isinstance(node.target, torch._ops.OpOverload):
        return str(node.target)
    return getattr(node.target, "__name__", str(node.target))


def _check_inputs(example_inputs: tuple[Tensor, ...]) -> None:
    allowed = "a tuple of float32 tensors (N, ...), N >= 1, without empty extents"
    if not isinstance(example_inputs, tuple) or not example_inputs:
        raise CaptureError(
            "example inputs",
            value=type(example_inputs).__name__,
            allowed=allowed,
            remedy="pass (torch.zeros(1, 3, 224, 224),)",
        )
    for position, tensor in enumerate(example_inputs):
        what = f"example input {position}"
        if not isinstance(tensor, Tensor):
            raise CaptureError(what, value=type(tensor).__name__, allowed=allowed)
        if tensor.dtype != torch.float32 or tensor.ndim < 2 or not tensor.numel():
            raise CaptureError(what, value=(tensor.dtype, tuple(tensor.shape)), allowed=allowed)


def _prepared(model: nn.Module) -> nn.Module:
    if not isinstance(model, nn.Module):
        raise CaptureError("model", value=type(model).__name__, allowed="a torch.nn.Module")
    try:
        with own_warnings_of_torch_ignored():
            copied = copy.deepcopy(model)
    except Exception as error:  # whatever a module's own state raises when it is copied
        raise CaptureError(
            f"model {type(model).__name__} cannot be copied",
            value=f"{type(error).__name__}: {error}",
            remedy="make copy.deepcopy(model) work: detach tensors kept as plain attributes",
        ) from error
    dequantize_parameters(copied)
    _check_parameters(copied)
    made: dict[int, nn.Module] = {}  # a layer that is used twice stays one layer
    if isinstance(copied, (QConv2d, QLinear)):
        return float_layer("the model", copied).cpu().eval()
    for fqn, module in list(copied.named_modules(remove_duplicate=False)):
        if isinstance(module, (QConv2d, QLinear)):
            made.setdefault(id(module), float_layer(fqn, module))
            copied.set_submodule(fqn, made[id(module)])
    replace_attention(copied)
    return copied.cpu().eval()


def _check_parameters(model: nn.Module) -> None:
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    floating = {fqn: tensor for fqn, tensor in tensors.items() if tensor.is_floating_point()}
    not_float32 = [fqn for fqn, tensor in floating.items() if tensor.dtype != torch.float32]
    if not_float32:
        raise CaptureError(
            f"parameters {_listed(not_float32)}",
            value=str(floating[not_float32[0]].dtype),
            allowed="torch.float32",
            remedy="call model.float()",
        )
    broken = [fqn for fqn, tensor in floating.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise CaptureError(
            f"parameters {_listed(broken)}",
            value="NaN or infinity",
            allowed="finite numbers",
            remedy="train again with a smaller learning rate, or load an earlier checkpoint",
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _example(tensor: Tensor) -> Tensor:
    """The first image, repeated: only shape and dtype of an example input matter."""
    first = tensor.detach().cpu()[:1]
    return first.expand(_BATCH_OF_EXAMPLE, *first.shape[1:]).clone()


def _functional(model: nn.Module, example: tuple[Tensor, ...]) -> ExportedProgram:
    # By tensor, so that forward(self, *inputs) works as well. torch leaves the class untyped.
    shapes: Any = ShapesCollection()  # type: ignore[no-untyped-call]
    for tensor in example:
        shapes[tensor] = {0: Dim.DYNAMIC}
    try:
        with torch.no_grad(), own_warnings_of_torch_ignored():
            program = torch.export.export(model, example, dynamic_shapes=shapes, strict=False)
            if _is_ready(program.graph):
                return program
            # An empty table decomposes nothing: it takes compositions (expand_as) apart and
            # replaces operators that change their input (relu_, add_) by those that do not, so
            # that every value has one meaning.
            functional: ExportedProgram = program.run_decompositions({})
            return functional
    except Exception as error:  # export runs the model's own forward: anything can come out
        raise CaptureError(
            f"torch.export cannot trace {type(model).__name__}",
            value=f"{type(error).__name__}: {_first_line(error)}",
            allowed="tensor operations for any batch, without branches on values",
            remedy=_export_remedy(error),
        ) from error


def _is_ready(graph: fx.Graph) -> bool:
    """Whether capture knows every operator as it is, and none of them changes its input.

    So it is for most models in eval mode; run_decompositions would trace them twice more.
    """
    calls = [node for node in graph.nodes if node.op not in ("placeholder", "output")]
    return all(operator_name(node) in OPERATORS and not _changes_input(node) for node in calls)


def _changes_input(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]


def _export_remedy(error: Exception) -> str:
    text = f"{type(error).__name__} {error}"
    if "data-dependent" in text or "DataDependent" in text:
        return "remove the branch or loop that depends on a tensor's values"
    if "Constraints violated" in text or "specialized" in text:
        return "write shapes with x.shape[0] instead of a fixed batch"
    return "check that model(*example_inputs) runs, then read the cause above"


def _constants(program: ExportedProgram) -> tuple[dict[str, Tensor], dict[str, str]]:
    constants: dict[str, Tensor] = {}
    origins: dict[str, str] = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind == InputKind.USER_INPUT or spec.target is None:
            continue
        tensors = program.state_dict if spec.target in program.state_dict else program.constants
        tensor = tensors.get(spec.target)
        if isinstance(tensor, Tensor):
            constants[spec.arg.name] = tensor.detach()
            origins[spec.arg.name] = spec.target
    return constants, origins


def _inputs(program: ExportedProgram) -> tuple[str, ...]:
    specs = program.graph_signature.input_specs
    return tuple(spec.arg.name for spec in specs if spec.kind == InputKind.USER_INPUT)


def _outputs(program: ExportedProgram) -> tuple[str, ...]:
    outputs = []
    for spec in program.graph_signature.output_specs:
        if spec.kind == OutputKind.BUFFER_MUTATION:
            raise CaptureError(
                f"buffer {spec.target} is changed by forward",
                allowed="a forward that only reads buffers in eval mode",
                remedy="update buffers only while self.training",
            )
        if spec.kind != OutputKind.USER_OUTPUT:
            continue  # a changed input: the compiled program leaves its inputs alone
        if not isinstance(spec.arg, TensorArgument):
            raise CaptureError("output of the model", value=spec.arg, allowed="tensors")
        outputs.append(spec.arg.name)
    return tuple(outputs)


def _form(program: ExportedProgram) -> Form:
    """What the model returns, with the numbers of the outputs in place of the tensors."""
    spec = program.call_spec.out_spec
    assert spec is not None
    return _plain(tree_unflatten(list(range(spec.num_leaves)), spec))


def _plain(form: Any) -> Form:
    """Mappings as dicts, named tuples as tuples."""
    if isinstance(form, Mapping):
        return {str(key): _plain(each) for key, each in form.items()}
    if isinstance(form, (tuple, list)):
        members = [_plain(each) for each in form]
        return members if isinstance(form, list) else tuple(members)
    return int(form)


def _names(graph: fx.Graph) -> dict[str, str]:
    names = {node.name: node.name for node in graph.nodes if node.op == "placeholder"}
    taken = set(names.values())
    for node in graph.nodes:
        if node.op == "call_function":
            names[node.name] = _unused(_base_name(node), taken)
            taken.add(names[node.name])
    return names


def _base_name(node: fx.Node) -> str:
    base = operator_name(node).removeprefix("aten.").removeprefix("signbin.").split(".")[0]
    return "batch_norm" if "batch_norm" in base else base


def _unused(base: str, taken: set[str]) -> str:
    if base not in taken:
        return base
    number = 1
    while f"{base}_{number}" in taken:
        number += 1
    return f"{base}_{number}"
