"""The walk over an ONNX model: a node is folded, said in the words of the draft, or refused."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import (
    AttributeProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TypeProto,
    ValueInfoProto,
    helper,
)

from signbin.draft import Drafted, Entry, Regrouped, Unsupported, Variable, legal_name
from signbin.errors import CaptureError, FormatError, VerifyError
from signbin.ir import BATCH
from signbin.ir.schema import MAX_AXIS, MAX_ELEMENTS
from signbin.onnx_reader.folding import Result, computed, inferred, schema_of, type_of
from signbin.onnx_reader.folding_codes import FOLDS
from signbin.onnx_reader.fusing import function_of
from signbin.onnx_reader.loading import array_of
from signbin.onnx_reader.node import Coded, Known, Meaning, OnnxNode
from signbin.onnx_reader.quantized import MOVES, OF_QONNX, READS_CODES
from signbin.onnx_reader.scopes import scope_of
from signbin.onnx_reader.table import REMEDIES, ROWS

__all__ = ["FOLLOWS", "Shapes", "Verdict", "Walk"]

Shapes: TypeAlias = "Mapping[str, tuple[int, ...]]"

# Where the batch is free, shapes are computed for these many images, primes that no extent is:
# what differs between the two depends on the batch.
_IMAGES: Final = 7919
_OTHER_IMAGES: Final = 7927
_MOST_AXES: Final = MAX_AXIS + 1
_OF_SEVERAL: Final = ("LayerNormalization", "Split")  # operators whose every result is read
_OF_ONE_SHAPE: Final = ("GroupNormalization", "RMSNormalization")  # whose is not inferred
_OF_NUMBERS: Final = OF_QONNX | {"QuantizeLinear", "DequantizeLinear"}  # as large as their input
_KEEPS_NAME: Final = frozenset(
    {
        *("Transpose", "Identity", "Cast", "DequantizeLinear", "Unsqueeze"),
        *("Quant", "BipolarQuant", "IntQuant"),
    }
)
_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {"gelu.default": {"approximate": "none"}}
_DEFAULT_REMEDY: Final = "replace the layer, or end the model before it"
# What numpy and Python say of attributes and inputs of kinds that a row does not expect.
_MALFORMED: Final = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError)
_CODES: Final = (TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT8)
FOLLOWS: Final = "of which only"
"""In the reason of a node that is only not read because one before it is not."""
_ANONYMOUS: Final = ("onnx::", "val_", "const_fold_opt_")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of one node; reason is "" where it was read or folded."""

    name: str
    operator: str
    scope: str
    reason: str = ""
    remedy: str = ""
    folded: bool = False


class Walk:
    """All entries by name, once it has run; what could not be read stands for itself."""

    def __init__(self, model: ModelProto, shapes: Shapes, *, batched: bool = True) -> None:
        self._graph = model.graph
        self._batched = batched
        self._opsets = {_domain(each.domain): each.version for each in model.opset_import}
        self._shapes = shapes
        self._unread: dict[str, str] = {}
        self._producers: dict[str, NodeProto] = {}
        self._taken: dict[str, str] = {}
        self.batch = _IMAGES
        self.drafted = Drafted()
        self.entries: dict[str, Entry] = {}
        self.inputs: list[Variable] = []
        self.verdicts: list[Verdict] = []

    def run(self) -> None:
        """FormatError for a graph that is none; CaptureError for inputs that are no images."""
        if self._graph.sparse_initializer:
            raise FormatError("sparse weights", allowed="dense ones", remedy="store them densely")
        for tensor in self._graph.initializer:
            anonymous = tensor.name.startswith(_ANONYMOUS)
            self._define(tensor.name, Known(array_of(tensor), "" if anonymous else tensor.name))
        free = [info for info in self._graph.input if info.name not in self.entries]
        self._set_batch(free)
        for info in free:
            self._input(info)
        for node in self._graph.node:
            self._producers.update(dict.fromkeys(filter(None, node.output), node))
            self.verdicts.append(self._verdict(node))
        for info in self._graph.output:
            if info.name not in self.entries and info.name not in self._unread:
                raise FormatError(f"output {info.name!r}", allowed="a name that a node defines")

    def _set_batch(self, free: list[ValueInfoProto]) -> None:
        """The number of images that all inputs state; else one that stands for any."""
        dims = [info.type.tensor_type.shape.dim for info in free]
        stated = {each[0].dim_value if len(each) else 0 for each in dims}
        only = stated.pop() if len(stated) == 1 else 0
        self.batch = only if only > 0 else _IMAGES

    def _input(self, info: ValueInfoProto) -> None:
        tensor = info.type.tensor_type
        extents: list[int | str] = [
            dim.dim_value if dim.dim_value > 0 else dim.dim_param or "?" for dim in tensor.shape.dim
        ]
        if not self._batched:
            extents = [BATCH, *extents]
        if info.name in self._shapes:
            extents = [BATCH, *self._shapes[info.name]]
        open_ = any(isinstance(extent, str) for extent in extents[1:])
        whole = math.prod(extent for extent in extents[1:] if isinstance(extent, int))
        kind = _kind_name(tensor.elem_type)
        if (
            kind != "float32"
            or not 2 <= len(extents) <= _MOST_AXES
            or open_
            or whole > MAX_ELEMENTS
        ):
            raise CaptureError(
                f"input {info.name} of the model",
                value=f"{kind} {extents if self._batched else extents[1:]}",
                allowed=self._allowed(),
                remedy="state them: input_shapes" if open_ else "change the model's input",
            )
        shape = (BATCH, *(int(extent) for extent in extents[1:]))
        variable = Variable(self._free_name(info.name), shape, shape)
        self.inputs.append(variable)
        self.drafted.names.add(variable.name)
        self._define(info.name, variable)

    def _allowed(self) -> str:
        """What inputs may be."""
        most = f"with extents, of {MAX_ELEMENTS} elements at most"
        if self._batched:
            return f"float32 (N, C, ...) of 2 to {_MOST_AXES} axes, {most}"
        return f"float32 of 1 to {_MOST_AXES - 1} axes, {most}"

    def _whole(self, shape: tuple[int, ...], images: int) -> tuple[int, ...]:
        """The shape of a value as ONNX sees it, for so many images."""
        return (images, *shape[1:]) if self._batched else shape[1:]

    def _define(self, name: str, entry: Entry) -> None:
        if name in self.entries or name in self._unread:
            raise FormatError(f"value {name!r}", value="defined twice", allowed="once")
        self.entries[name] = entry

    def _free_name(self, name: str) -> str:
        """The name as the IR allows it; no two values of the model share one."""
        base = legal_name(name)
        free, number = base, 0
        while free in self._taken or self.drafted.is_taken(free):
            number += 1
            free = f"{base}.{number}"
        self._taken[free] = name
        return free

    def name_of(self, name: str) -> str:
        """What the IR calls a value of the model by itself."""
        return next((free for free, given in self._taken.items() if given == name), "")

    def _verdict(self, node: NodeProto) -> Verdict:
        """Reads one node; whatever it defines is then there, or is known not to be."""
        for name in node.input:
            if name and name not in self.entries and name not in self._unread:
                raise FormatError(
                    f"node {_node_name(node)!r} reads {name!r}",
                    allowed="what nodes before it define",
                    remedy="sort the nodes, or export the model again",
                )
        domain = _domain(node.domain)
        operator = node.op_type if not domain else f"{domain}.{node.op_type}"
        told = (_node_name(node), operator, scope_of(node))
        try:
            results = self._results(node, operator)
            folded = all(isinstance(entry, Known) for entry in results)
            verdict = Verdict(*told, folded=folded)
        except (Unsupported, VerifyError, *_MALFORMED) as finding:
            verdict = Verdict(*told, *_why(finding, operator))
            results = self._stand_ins(node, operator)
        for name, entry in zip(node.output, results, strict=False):
            if name and entry is None:
                self._unread[name] = operator
            elif name:
                self._define(name, entry)
        return verdict

    def _results(self, node: NodeProto, operator: str) -> list[Any]:
        unread = [name for name in node.input if name in self._unread]
        if unread:
            raise Unsupported(
                f"reads {unread[0]!r}, {FOLLOWS} {self._unread[unread[0]]} knows the shape",
                "change that one: this may be read then",
            )
        attributes = _attributes(node)
        if operator == "Constant":
            return [Known(_constant(attributes), "")]
        if operator in ("Shape", "Size"):
            return [self._shape_of(node, operator, attributes)]
        given = {name: self.entries[name] for name in node.input if name}
        if all(isinstance(entry, Known) for entry in given.values()):
            return self._folded(node, operator, attributes, given)  # type: ignore[arg-type]  # asked above
        row = ROWS.get(operator)
        if row is None:
            raise Unsupported("not supported")
        codes = _codes_read(operator, given.values())
        found = self._inferred(node, operator)
        several = operator in _OF_SEVERAL
        kinds = _CODES if operator in READS_CODES else (TensorProto.FLOAT,)
        shapes = tuple(self._shape(each, kinds) for each in found[: None if several else 1])
        schema = schema_of(node, self._opsets)
        call = OnnxNode(
            operator,
            schema.since_version if schema else 1,
            tuple(self.entries[name] if name else None for name in node.input),
            attributes,
            tuple(self._free_name(name) if name else "" for name in node.output),
            shapes,
            scope_of(node),
            self.drafted,
            self.batch,
            0 if self._batched else 1,
        )
        fused = function_of(node, self._producers, self._number)
        x = self.entries.get(fused[1]) if fused else None
        if fused and isinstance(x, Variable) and x.shape == shapes[0]:
            return [call.say(fused[0], self=x, **_DEFAULTS.get(fused[0], {}))]
        with np.errstate(all="ignore"):  # what is not finite is refused by name
            made = row(call)
        results = made if isinstance(made, tuple) else (made,)
        return [_as_codes(each, codes) for each in results]

    def _number(self, name: str) -> float | None:
        entry = self.entries.get(name)
        if not isinstance(entry, Known) or entry.twin is not None:
            return None
        array = np.asarray(entry.result)
        return float(array.reshape(-1)[0]) if array.size == 1 else None

    def _folded(
        self,
        node: NodeProto,
        operator: str,
        attributes: Mapping[str, Any],
        given: Mapping[str, Known],
    ) -> list[Known]:
        fold = FOLDS.get(operator)
        if fold is not None:
            arrays = [np.asarray(given[name].result) for name in node.input if name]
            return [Known(fold(arrays, attributes), _origin(node, given))]
        results = computed(node, {name: each.result for name, each in given.items()}, self._opsets)
        if all(each.twin is None for each in given.values()):
            return [Known(array, _origin(node, given)) for array in results]
        others = {
            name: each.result if each.twin is None else each.twin for name, each in given.items()
        }
        twins = computed(node, others, self._opsets)
        return [
            Known(array, "", None if np.array_equal(array, twin) else twin)
            for array, twin in zip(results, twins, strict=True)
        ]

    def _shape_of(self, node: NodeProto, operator: str, attributes: Mapping[str, Any]) -> Known:
        entry = self.entries[node.input[0]]
        if isinstance(entry, Known):
            shape = twin = np.asarray(entry.result).shape
        elif isinstance(entry, Variable):
            shape, twin = (self._whole(entry.shape, n) for n in (self.batch, _OTHER_IMAGES))
            twin = shape if self.batch != _IMAGES else twin
        else:
            raise Unsupported("reads the shape of parts", "read the shape of a value")
        made = []
        for each in (shape, twin):
            cut = each[attributes.get("start", 0) : attributes.get("end", len(each))]
            made.append(np.asarray(math.prod(each) if operator == "Size" else cut, np.int64))
        first, second = made
        return Known(first, "", None if np.array_equal(first, second) else second)

    def _inferred(self, node: NodeProto, operator: str) -> list[Result]:
        entry = self.entries[node.input[0]] if node.input else None
        if operator in _OF_NUMBERS and isinstance(entry, Variable):
            return [Result(TensorProto.FLOAT, self._whole(entry.shape, self.batch))]
        schema = schema_of(node, self._opsets)
        if schema is None:
            raise Unsupported(
                f"not an operator of opset {self._opsets.get(_domain(node.domain), 'none')}",
                "export with another opset",
            )
        types: dict[str, TypeProto] = {}
        known: dict[str, NDArray[Any]] = {}
        for name in filter(None, node.input):
            entry = self.entries[name]
            if isinstance(entry, Coded) and operator in READS_CODES:
                whole = self._whole(entry.shape, self.batch)
                types[name] = type_of(whole, np.dtype(entry.meaning.kind))
            elif isinstance(entry, Variable):
                types[name] = type_of(self._whole(entry.shape, self.batch))
            elif isinstance(entry, Known):
                known[name] = np.asarray(entry.result)
                types[name] = type_of(known[name].shape, known[name].dtype)
            elif isinstance(entry, Regrouped):
                whole = entry.whole.shape
                apart = (whole[1] // entry.groups, entry.groups, *whole[2:])
                types[name] = type_of(self._whole((BATCH, *apart), self.batch))
        found = inferred(node, schema, types, known, self._opsets)
        given = types.get(node.input[0]) if node.input else None
        if node.op_type in _OF_ONE_SHAPE and found[0].shape is None and given is not None:
            dims = tuple(dim.dim_value for dim in given.tensor_type.shape.dim)
            found[0] = Result(given.tensor_type.elem_type, dims)
        return found

    def _shape(
        self, result: Result, kinds: Collection[int] = (TensorProto.FLOAT,)
    ) -> tuple[int, ...]:
        if result.kind not in kinds:
            raise Unsupported(
                f"result of {_kind_name(result.kind)}", "compute in float32 throughout"
            )
        if result.shape is None:
            raise Unsupported("the shape of its result is not known", "state every extent")
        if not self._batched:
            return self._single(result.shape)
        batch, *extents = result.shape or (1,)
        if batch != self.batch or (self.batch == _IMAGES and self.batch in extents):
            seen = tuple("N" if extent == _IMAGES else extent for extent in result.shape)
            raise Unsupported(
                f"result of shape {seen} has no batch extent first",
                "keep the batch as the first extent: [N, ...]",
            )
        if any(extent < 1 or extent > MAX_ELEMENTS for extent in extents):
            raise Unsupported(f"result of shape {result.shape}", "use sensible extents")
        return (BATCH, *extents)

    def _single(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The same of a value without a batch."""
        if not shape or any(extent < 1 or extent > MAX_ELEMENTS for extent in shape):
            raise Unsupported(f"result of shape {shape}", "keep an axis, and sensible extents")
        return (BATCH, *shape)

    def _stand_ins(self, node: NodeProto, operator: str) -> list[Variable | None]:
        """Lets the walk go on after a finding, so that every node that is not read is found."""
        found: list[Variable | None] = []
        try:
            results = self._inferred(node, operator)
        except (Unsupported, KeyError):
            results = []
        for number, name in enumerate(node.output):
            try:
                shape = self._shape(results[number]) if number < len(results) else None
            except Unsupported:
                shape = None
            found.append(Variable(self._free_name(name), shape, shape) if shape else None)
        return found


def _codes_read(operator: str, given: Collection[Entry]) -> Meaning | None:
    """What the codes mean that an operator moves; None where it reads numbers."""
    codes = [each for each in given if isinstance(each, Coded)]
    if not codes or operator in READS_CODES:
        return None
    variables = [each for each in given if isinstance(each, Variable)]
    alike = len({each.meaning for each in codes}) == 1 and len(codes) == len(variables)
    if operator not in MOVES or not alike:
        raise Unsupported("computes on codes", "dequantise them first, with DequantizeLinear")
    return codes[0].meaning


def _as_codes(made: Any, meaning: Meaning | None) -> Any:
    if meaning is None or isinstance(made, Coded):
        return made
    if not isinstance(made, Variable):
        raise Unsupported("takes codes apart", "dequantise them first, with DequantizeLinear")
    return Coded(made.name, made.shape, made.stored, meaning)


def _why(finding: Exception, operator: str) -> tuple[str, str]:
    """Reason and remedy."""
    if isinstance(finding, Unsupported):
        return finding.reason, finding.remedy or REMEDIES.get(operator, _DEFAULT_REMEDY)
    if isinstance(finding, VerifyError):
        return str(finding), REMEDIES.get(operator, _DEFAULT_REMEDY)
    what = f"{type(finding).__name__}: {finding}"
    return f"not as ONNX defines it: {what}", "check the model with onnx.checker"


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def _node_name(node: NodeProto) -> str:
    return node.name or next(iter(node.output), "") or node.op_type


def _kind_name(kind: int) -> str:
    try:
        return str(np.dtype(helper.tensor_dtype_to_np_dtype(kind)))
    except (KeyError, TypeError, ValueError):
        return f"type {kind}"


def _origin(node: NodeProto, given: Mapping[str, Known]) -> str:
    """A constant that is only turned, cast or dequantised keeps its name."""
    first = given.get(node.input[0]) if node.input else None
    keeps = node.op_type in (
        "Transpose",
        "Identity",
        "Cast",
        "DequantizeLinear",
        "Unsqueeze",
        "Quant",
        "BipolarQuant",
        "IntQuant",
    )
    return first.origin if keeps and first is not None else ""


def _attributes(node: NodeProto) -> dict[str, Any]:
    """Attributes by name; tensors as arrays, graphs as they are."""
    found = {}
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            raise Unsupported("an attribute of a function", "export without functions")
        if attribute.type == AttributeProto.TENSOR:
            found[attribute.name] = array_of(attribute.t)
        else:
            found[attribute.name] = helper.get_attribute_value(attribute)
    return found


def _constant(attributes: Mapping[str, Any]) -> NDArray[Any]:
    kinds = {
        "value_float": np.float32,
        "value_floats": np.float32,
        "value_int": np.int64,
        "value_ints": np.int64,
    }
    for name, value in attributes.items():
        if name == "value" and isinstance(value, np.ndarray):
            return value
        if name in kinds:
            return np.asarray(value, kinds[name])
    raise Unsupported("a constant of another kind", "store numbers")
