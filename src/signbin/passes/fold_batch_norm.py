"""Pass: fold batch normalisation into the weights and bias of the layer before it."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from signbin.ir import Constant, Graph, Node, resolve
from signbin.passes.rewrite import Constants, add_vector, fuse_pairs, is_sum
from signbin.spec import IntegerWeight, LowBitWeight

__all__ = ["fold_batch_norm"]


def fold_batch_norm(graph: Graph) -> Graph:
    """conv2d or linear -> batch_norm becomes one layer, where nothing else reads the first.

    factor = scale / sqrt(variance + epsilon)
    weight' = weight * factor[k];  bias' = (bias - mean) * factor + batch norm's bias

    An affine of the filters of a linear layer is folded alike. Of a weight with codes these stay
    and only scale and offset are multiplied. The layer must not have a residual, activation or
    post_bias yet. Computed in float64; a batch norm whose folded constants do not fit into float32
    stays a node. channel_bias or batch_norm -> batch_norm becomes one batch_norm that measures
    nothing: mean 0, variance 1.
    """
    return fuse_pairs(graph, _merge)


def _merge(producer: Node, node: Node, constants: Constants) -> Node | None:
    if node.op == "batch_norm" and producer.op in ("channel_bias", "batch_norm"):
        return _one_of_two(producer, node, constants)
    if node.op not in ("batch_norm", "affine") or not is_sum(producer) or len(producer.inputs) > 1:
        return None
    if not _scales_filters(producer, node, constants):
        return None
    factor, shift = _affine(node, constants)
    if "bias" in producer.attributes:
        shift = shift + constants.vector(producer.attributes["bias"]) * factor
    weight = _scaled(constants[producer.attributes["weight"]], factor)
    with np.errstate(over="ignore"):
        bias = shift.astype(np.float32)
    if weight is None or not np.isfinite(bias).all():
        return None
    attributes = dict(producer.attributes)
    attributes["weight"] = constants.replace(attributes["weight"], weight)
    if "bias" in attributes:
        attributes["bias"] = constants.replace(attributes["bias"], bias)
        return dataclasses.replace(
            producer, name=node.name, source=node.source, attributes=attributes
        )
    folded = dataclasses.replace(
        producer, name=node.name, source=node.source, attributes=attributes
    )
    return add_vector(folded, "bias", bias, constants)


def _scales_filters(producer: Node, node: Node, constants: Constants) -> bool:
    """Whether node's numbers are one per filter: along axis 1, of rows along the last."""
    if node.op == "batch_norm":
        return producer.op != "linear" or len(producer.type.shape) == 2
    shapes = [constants[ref].shape for ref in node.attributes.values()]
    return producer.op == "linear" and all(len(shape) == 1 for shape in shapes)


def _affine(node: Node, constants: Constants) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(factor, shift) of a batch_norm, channel_bias or affine."""
    stated = resolve(node)
    if node.op == "affine":
        filters = node.type.shape[-1]
        scale, shift = stated["scale"], stated["bias"]
        return (
            np.ones(filters) if scale is None else constants.vector(scale),
            np.zeros(filters) if shift is None else constants.vector(shift),
        )
    bias = constants.vector(stated["bias"])
    if node.op == "channel_bias":
        return np.ones_like(bias), bias
    epsilon = stated["epsilon"]
    assert isinstance(epsilon, float)
    deviation = np.sqrt(constants.vector(stated["variance"]) + epsilon)
    factor = constants.vector(stated["scale"]) / deviation
    return factor, bias - constants.vector(stated["mean"]) * factor


def _one_of_two(producer: Node, node: Node, constants: Constants) -> Node | None:
    """A batch_norm that does what both do; None where a constant would leave float32."""
    inner, inner_shift = _affine(producer, constants)
    outer, outer_shift = _affine(node, constants)
    with np.errstate(over="ignore"):
        factor = (outer * inner).astype(np.float32)
        shift = (outer * inner_shift + outer_shift).astype(np.float32)
    if not (np.isfinite(factor).all() and np.isfinite(shift).all()):
        return None
    made = {
        "scale": factor,
        "bias": shift,
        "mean": np.zeros_like(factor),
        "variance": np.ones_like(factor),
    }
    attributes = {
        name: constants.replace(node.attributes[name], array) for name, array in made.items()
    }
    return dataclasses.replace(
        node, inputs=producer.inputs, attributes={**attributes, "epsilon": 0.0}
    )


def _scaled(weight: Constant, factor: NDArray[np.float64]) -> Constant | None:
    """The weight with filter k multiplied by factor[k]; None where that overflows float32."""
    with np.errstate(over="ignore"):
        if isinstance(weight, np.ndarray):
            per_filter = factor.reshape((-1,) + (1,) * (weight.ndim - 1))
            dense = (weight * per_filter).astype(np.float32)
            return dense if np.isfinite(dense).all() else None
        scale = (weight.scale * factor).astype(np.float32)
        offset = weight.offset if isinstance(weight, LowBitWeight) else None
        offset = None if offset is None else (offset * factor).astype(np.float32)
    if not np.isfinite(scale).all() or (offset is not None and not np.isfinite(offset).all()):
        return None
    if isinstance(weight, IntegerWeight):
        return IntegerWeight(weight.codes, scale)
    return LowBitWeight(weight.codes, scale, offset)
