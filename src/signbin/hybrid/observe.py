"""What values inside a network are, found by running it whole in ONNX Runtime."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto, helper

from signbin.hybrid.network import OnnxNetwork
from signbin.hybrid.session import RuntimePart

__all__ = ["InnerValues", "with_observed_types"]

_BATCH: Final = "N"


class InnerValues:
    """The network with more outputs: every value that was asked for."""

    def __init__(self, network: OnnxNetwork, names: Sequence[str]) -> None:
        model = ModelProto()
        model.CopyFrom(network.model)
        del model.graph.output[:]
        model.graph.output.extend(ValueInfoProto(name=name) for name in names)
        self._session = RuntimePart(model.SerializeToString())
        self._names = tuple(names)

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """The values for these inputs, by name."""
        return dict(zip(self._names, self._session(feeds), strict=True))


def with_observed_types(
    network: OnnxNetwork, feeds: Sequence[Mapping[str, NDArray[Any]]]
) -> OnnxNetwork:
    """The network with the type of every value, as it was when run on each of the feeds.

    An extent that is not the same for all of them is free: the batch where it is the first one.
    """
    names = [name for node in network.moving for name in network.writes[node]]
    probe = InnerValues(network, names)
    seen = [{**each, **probe(each)} for each in feeds]
    types = dict(network.types)
    for name in [*network.inputs, *names]:
        arrays = [values[name] for values in seen]
        if all(isinstance(array, np.ndarray) for array in arrays):
            types[name] = _type(name, arrays)
    return dataclasses.replace(network, types=types)


def _type(name: str, arrays: Sequence[NDArray[Any]]) -> ValueInfoProto:
    kind = helper.np_dtype_to_tensor_dtype(arrays[0].dtype)
    if len({array.ndim for array in arrays}) > 1:
        return helper.make_tensor_value_info(name, kind, None)
    extents = [set(column) for column in zip(*(array.shape for array in arrays), strict=True)]
    shape = [
        next(iter(found)) if len(found) == 1 else _BATCH if not axis else None
        for axis, found in enumerate(extents)
    ]
    return helper.make_tensor_value_info(name, kind, shape)
