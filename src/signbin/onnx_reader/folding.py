"""What ONNX itself says of a node: its results where all it reads is known, else their types.

Both come from the package onnx: the reference implementation of its operators, and its shape
inference, each asked about one node at a time.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, TypeProto, helper, numpy_helper, shape_inference
from onnx.defs import OpSchema

from signbin.draft import Unsupported

__all__ = ["MOST_FOLDED", "Result", "computed", "inferred", "schema_of", "type_of"]

MOST_FOLDED: Final = 2**26
"""Most numbers of one constant that is computed rather than stored."""
_RANDOM: Final = frozenset(
    {
        *("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform"),
        *("RandomUniformLike",),
    }
)
_NESTED: Final = frozenset({"If", "Loop", "Scan", "SequenceMap"})
_NEVER_LARGER: Final = frozenset({"Compress", "NonZero", "Unique"})  # of unknown size by nature
_NAMES_OF_AXES: Final = frozenset({"axis", "axes", "perm", "dim", "batch_axis", "time_axis"})
_MOST_AXES: Final = 64
_MOST_SHOWN: Final = 1024  # numbers that say a shape; more are no shape


@dataclasses.dataclass(frozen=True)
class Result:
    """What shape inference tells of one result: its type of numbers, and its shape if it can."""

    kind: int
    shape: tuple[int, ...] | None


def schema_of(node: NodeProto, opsets: Mapping[str, int]) -> OpSchema | None:
    """How the operator is defined in the model's version of its domain; None where it is not."""
    try:
        return onnx.defs.get_schema(node.op_type, opsets[node.domain], node.domain)
    except (onnx.defs.SchemaError, KeyError):
        return None


def computed(
    node: NodeProto, given: Mapping[str, NDArray[Any]], opsets: Mapping[str, int]
) -> list[NDArray[Any]]:
    """Results of a node of known inputs, by ONNX's reference implementation.

    Unsupported for nodes that draw random numbers, hold graphs, fail, or make more than
    MOST_FOLDED numbers.
    """
    if node.op_type in _RANDOM:
        raise Unsupported("draws random numbers", "store what it drew as a constant")
    if node.op_type in _NESTED:
        raise Unsupported("holds graphs of its own", "export without branches and loops")
    _expect_small(node, given, opsets)
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415 - only where needed

    free = [helper.make_value_info(name, TypeProto()) for name in given]
    results = [helper.make_value_info(name, TypeProto()) for name in node.output if name]
    versions = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    model = helper.make_model(
        helper.make_graph([node], "one", free, results), opset_imports=versions
    )
    try:
        with np.errstate(all="ignore"):
            made = ReferenceEvaluator(model).run(None, dict(given))
    except Exception as error:  # whatever its implementation raises
        raise Unsupported(
            f"cannot be computed beforehand: {type(error).__name__}: {error}",
            "fold constants with the exporting tool",
        ) from error
    return [np.asarray(array) for array in made]


def _expect_small(
    node: NodeProto, given: Mapping[str, NDArray[Any]], opsets: Mapping[str, int]
) -> None:
    schema = schema_of(node, opsets)
    if schema is None:
        raise Unsupported("not an operator of this version of ONNX", "export with another opset")
    if node.op_type == "Range":  # its length is not inferred
        start, limit, delta = (float(given[name].reshape(-1)[0]) for name in node.input)
        counts = [abs(limit - start) / abs(delta) if delta else math.inf]
    else:
        types = {name: type_of(array.shape, array.dtype) for name, array in given.items()}
        shapes = [result.shape for result in inferred(node, schema, types, given, opsets)]
        if None in shapes and node.op_type not in _NEVER_LARGER:
            raise Unsupported("makes a constant of unknown size", "store it as a constant")
        counts = [math.prod(shape or ()) for shape in shapes]
    if max(counts, default=0) > MOST_FOLDED:
        raise Unsupported(
            f"makes a constant of {max(counts):.3g} numbers", "compute it from smaller constants"
        )


def type_of(shape: Sequence[int], dtype: Any = np.float32) -> TypeProto:
    """The type of a tensor as shape inference wants it."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_type_proto(kind, list(shape))


def inferred(
    node: NodeProto,
    schema: OpSchema,
    types: Mapping[str, TypeProto],
    known: Mapping[str, NDArray[Any]],
    opsets: Mapping[str, int],
) -> list[Result]:
    """Kind and shape of every result.

    Unsupported where ONNX finds that the inputs do not fit the operator.
    """
    _expect_axes(node)
    shown = {
        name: numpy_helper.from_array(np.ascontiguousarray(array), name)
        for name, array in known.items()
        if array.size <= _MOST_SHOWN
    }
    versions = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    try:
        found = shape_inference.infer_node_outputs(
            schema, node, dict(types), shown, opset_imports=versions
        )
    except Exception as error:  # of C++, under several names
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Unsupported(f"does not fit its inputs: {text}", "check the model with onnx") from None
    return [_result(found.get(name)) for name in node.output]


def _expect_axes(node: NodeProto) -> None:
    """Unsupported for what the package onnx does not survive: axes beyond any value, and parts
    that are not as many as results."""
    for attribute in node.attribute:
        if attribute.name == "num_outputs" and attribute.i != len(node.output):
            raise Unsupported(f"num_outputs={attribute.i}", f"name {attribute.i} results")
        if attribute.name not in _NAMES_OF_AXES:
            continue
        stated = (attribute.i, *attribute.ints)
        if any(abs(axis) > _MOST_AXES for axis in stated):
            raise Unsupported(
                f"{attribute.name} {max(stated, key=abs)}", "check the model with onnx.checker"
            )


def _result(found: TypeProto | None) -> Result:
    if found is None:
        return Result(TensorProto.UNDEFINED, None)
    kind, dims = found.tensor_type.elem_type, found.tensor_type.shape.dim
    told = found.tensor_type.HasField("shape") and all(dim.HasField("dim_value") for dim in dims)
    return Result(kind, tuple(dim.dim_value for dim in dims) if told else None)
