"""Rows for products of matrices: of a value and a constant, which are layers, and of two values."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from signbin.draft import Entry, Folded, Unsupported, Variable
from signbin.draft.resizing import along_axis
from signbin.draft.rows import for_every_image, last_axes_affine, matrix_product, transposed
from signbin.onnx_reader.elementwise import scaled
from signbin.onnx_reader.node import OnnxNode, Rows

__all__ = ["PRODUCTS"]


def _gemm(node: OnnxNode) -> Entry:
    """alpha * A B + beta * C: a linear layer where B and C are constants."""
    alpha, beta = float(node.attribute("alpha", 1.0)), float(node.attribute("beta", 1.0))
    x = node.variable()
    if node.attribute("transA", 0):
        x = _turned(node, x, ".turned_0")
    if isinstance(node.entry(1), Folded):
        return _layer(node, x, alpha, beta)
    second = node.variable(1)
    if node.attribute("transB", 0):
        second = _turned(node, second, ".turned_1")
    return _with_constant(node, _product(node, x, second, alpha), beta)


def _layer(node: OnnxNode, x: Variable, alpha: float, beta: float) -> Entry:
    weight = node.known(1) if node.attribute("transB", 0) else node.known(1).T
    whole = weight if alpha == 1.0 else weight * _like(alpha, node, 1)
    made: dict[str, Any] = {"input": x, "weight": _constant(node, 1, whole), "bias": None}
    if node.has(2) and isinstance(node.entry(2), Folded):
        found = node.known(2)
        if found.size == 1 or found.size == found.shape[-1] == len(weight):
            made["bias"] = _constant(node, 2, (found * _like(beta, node, 2)).reshape(-1))
            return node.say("linear.default", **made)
    if not node.has(2):
        return node.say("linear.default", **made)
    product = node.say("linear.default", suffix=".product", **made)
    assert isinstance(product, Variable)
    return _with_constant(node, product, beta)


def _product(node: OnnxNode, x: Variable, y: Variable, alpha: float) -> Variable:
    last = alpha == 1.0 and not node.has(2)
    call = node.call({}, suffix="" if last else ".product")
    made = matrix_product(call, x, y)
    if alpha != 1.0:
        made = scaled(node, made, alpha, 0.0, ".scaled" if node.has(2) else "")
    return made


def _with_constant(node: OnnxNode, made: Variable, beta: float) -> Entry:
    """The product plus beta * C."""
    if not node.has(2):
        return made
    third = node.entry(2)
    if isinstance(third, Folded):
        shift = np.asarray(node.known(2) * _like(beta, node, 2), np.float64)
        return last_axes_affine(node.call({}), made, None, shift)
    if beta != 1.0:
        assert isinstance(third, Variable)
        third = scaled(node, third, beta, 0.0, ".third")
    return node.say("add.Tensor", self=made, other=third, alpha=1)


def _turned(node: OnnxNode, x: Variable, suffix: str) -> Variable:
    """A matrix transposed, where the batch is not one of its axes."""
    if not node.lead:
        raise Unsupported("transA=1", "keep the batch as the first extent")
    return transposed(node.call({}), x, (0, 2, 1), suffix)


def _like(number: float, node: OnnxNode, position: int) -> Any:
    return node.known(position).dtype.type(number)


def _constant(node: OnnxNode, position: int, array: Any) -> Folded:
    """What was derived from an input, under its name."""
    entry = node.entry(position)
    return Folded(array, entry.origin if isinstance(entry, Folded) else "")


def _matmul(node: OnnxNode) -> Entry:
    first, second = node.entry(0), node.entry(1)
    if isinstance(first, Variable) and isinstance(second, Folded):
        weight = node.known(1)
        if 2 < weight.ndim <= len(first.shape) - node.lead and weight.size == math.prod(
            weight.shape[-2:]
        ):
            weight = weight.reshape(weight.shape[-2:])
        if weight.ndim == 2:
            turned = _constant(node, 1, weight.T)
            return node.say("linear.default", input=first, weight=turned, bias=None)
        second = _repeated(node, second, ".second")
    elif isinstance(first, Folded) and isinstance(second, Variable):
        matrix = node.known(0)
        if matrix.ndim == 2 and len(second.shape) > 2:
            call = node.call({"weight": first})
            return along_axis(call, second, len(second.shape) - 2, matrix)
        first = _repeated(node, first, ".first")
    if node.lead and isinstance(first, Variable) and isinstance(second, Variable):
        return _of_vectors(node, first, second)
    return node.say("matmul.default", self=first, other=second)


def _of_vectors(node: OnnxNode, x: Variable, y: Variable) -> Entry:
    """What has one axis is a row, or a column behind a matrix."""
    row, column = len(x.shape) == 2, len(y.shape) == 2
    if row:
        x = Variable(x.name, (x.shape[0], 1, x.shape[1]), x.stored)
    if column:
        y = Variable(y.name, (*y.shape, 1), y.stored)
    call = node.call({"self": x, "other": y})
    made = matrix_product(call, call.variable("self"), call.variable("other"))
    shape = list(made.shape)
    if column:
        del shape[-1]
    if row:
        del shape[-1 if column else -2]
    return Variable(made.name, tuple(shape), made.stored)


def _repeated(node: OnnxNode, matrices: Folded, suffix: str) -> Variable:
    """Matrices that are the same for every image, as a value."""
    array = np.asarray(matrices.result)
    if array.ndim < 2:
        raise Unsupported(f"a vector of shape {array.shape}", "multiply by a matrix")
    whole = array[None] if node.lead or array.shape[0] != 1 else array
    if not node.lead and array.ndim > 2 and array.shape[0] != 1:
        raise Unsupported(f"matrices of shape {array.shape}", "make their first extent 1")
    return for_every_image(node.call({}), Folded(whole, matrices.origin), suffix)


PRODUCTS: Final[Rows] = MappingProxyType({"Gemm": _gemm, "MatMul": _matmul})
"""Operator of ONNX -> its row."""
