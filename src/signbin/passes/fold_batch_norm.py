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

    Of a weight with codes these stay and only scale and offset are multiplied. The layer must
    not have a residual, activation or post_bias yet. Computed in float64; a batch norm whose
    folded constants do not fit into float32 stays a node.
    """
    return fuse_pairs(graph, _merge)


def _merge(producer: Node, node: Node, constants: Constants) -> Node | None:
    if node.op != "batch_norm" or not is_sum(producer) or len(producer.inputs) > 1:
        return None
    norm = resolve(node)
    epsilon = norm["epsilon"]
    assert isinstance(epsilon, float)
    deviation = np.sqrt(constants.vector(norm["variance"]) + epsilon)
    factor = constants.vector(norm["scale"]) / deviation
    shift = constants.vector(norm["bias"]) - constants.vector(norm["mean"]) * factor
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
