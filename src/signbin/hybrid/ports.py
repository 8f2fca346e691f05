"""From what a caller gives to the arrays a network in parts wants, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError
from signbin.hybrid.content import Port
from signbin.ir import BATCH, TensorType, Value
from signbin.runtime.inputs import ArrayLike, as_array, as_batch

__all__ = ["FREE", "bind"]

FREE: Final = -1
"""An extent of a port that any number fits."""


def bind(
    ports: Sequence[Port],
    given: Sequence[ArrayLike | Mapping[str, ArrayLike]],
    named: Mapping[str, ArrayLike],
) -> dict[str, NDArray[Any]]:
    """An array for every port: in order, or by name; ExecutionError for anything else.

    given: arrays, or one mapping by name. float32 ports take every floating type, others their own
    alone.
    """
    names = [port.name for port in ports]
    pairs = list(named.items())
    if len(given) == 1 and isinstance(given[0], Mapping):
        pairs, given = [*given[0].items(), *pairs], ()
    if len(given) > len(ports):
        raise ExecutionError("number of inputs", value=len(given), allowed=_listed(names))
    arrays = {name: cast(ArrayLike, array) for name, array in zip(names, given, strict=False)}
    for name, array in pairs:
        if name not in names or name in arrays:
            raise ExecutionError("input", value=name, allowed=f"each of {_listed(names)} once")
        arrays[name] = array
    missing = [name for name in names if name not in arrays]
    if missing:
        raise ExecutionError("inputs", value=f"no {_listed(missing)}", allowed=_listed(names))
    return {port.name: _as_port(arrays[port.name], port) for port in ports}


def _as_port(given: ArrayLike, port: Port) -> NDArray[Any]:
    fixed = port.shape[1:]
    if port.dtype == "float32" and port.shape[:1] == (FREE,) and FREE not in fixed:
        return as_batch(given, Value(port.name, TensorType("f32", (BATCH, *fixed))))
    array = as_array(given, f"input {port.name}")
    if np.issubdtype(array.dtype, np.floating) and port.dtype == "float32":
        array = array.astype(np.float32)
    if str(array.dtype) != port.dtype:
        raise ExecutionError(
            f"dtype of input {port.name}", value=str(array.dtype), allowed=port.dtype
        )
    fits = len(array.shape) == len(port.shape) and all(
        wanted in (FREE, extent) for wanted, extent in zip(port.shape, array.shape, strict=True)
    )
    if not fits:
        shape = ", ".join("any" if extent == FREE else str(extent) for extent in port.shape)
        raise ExecutionError(f"shape of input {port.name}", value=array.shape, allowed=f"({shape})")
    return np.asarray(array, order="C")  # a number alone stays one


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
