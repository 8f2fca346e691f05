"""From samples to one ActivationSpec per value of a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signbin.calibrate.config import QuantizedActivations
from signbin.calibrate.histogram import MagnitudeHistogram
from signbin.calibrate.ranges import largest_kept
from signbin.errors import SpecError
from signbin.ir import Graph, never_negative
from signbin.spec import ActivationSpec

__all__ = ["calibrate"]

Trace: TypeAlias = Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.float32]]]
"""From samples (N, ...) to every value of the graph by name: a program's trace."""

_BATCH: Final = 8


def calibrate(graph: Graph, trace: Trace, asked: QuantizedActivations) -> dict[str, ActivationSpec]:
    """The spec of every value of a graph of f32 values, from what the samples make of it.

    One scale per tensor. Unsigned where no number can be negative, whatever the input
    (:func:`signbin.ir.never_negative`), else signed. The scale is such that the largest step
    stands for the magnitude that the method keeps, see :class:`CalibrationMethod`; 1 where a value
    was zero throughout.

    SpecError where the samples do not fit the graph's only input, where a value becomes NaN or
    infinite, or where the trace lacks a value.
    """
    _expect_fitting(graph, asked)
    histograms = {name: MagnitudeHistogram() for name in _names(graph)}
    for start in range(0, len(asked.samples), _BATCH):
        values = trace(np.ascontiguousarray(asked.samples[start : start + _BATCH]))
        for name, histogram in histograms.items():
            if name not in values:
                raise SpecError("traced values", value=name, allowed="every value of the graph")
            histogram.add(name, values[name])
    unsigned = never_negative(graph)
    return {
        name: _spec(histogram, asked, signed=name not in unsigned)
        for name, histogram in histograms.items()
    }


def _names(graph: Graph) -> list[str]:
    return [value.name for value in graph.inputs] + [node.name for node in graph.nodes]


def _spec(
    histogram: MagnitudeHistogram, asked: QuantizedActivations, *, signed: bool
) -> ActivationSpec:
    zero_point = 2 ** (asked.bits - 1) if signed or histogram.smallest < 0 else 0
    steps = 2**asked.bits - 1 - zero_point
    kept = largest_kept(histogram, steps, asked)
    scale = float(np.float32(kept / steps)) if kept else 1.0
    return ActivationSpec(float(np.clip(scale, 2.0**-100, 2.0**100)), zero_point, asked.bits)


def _expect_fitting(graph: Graph, asked: QuantizedActivations) -> None:
    wanted = [value.type for value in graph.inputs]
    shape = asked.samples.shape
    if len(wanted) != 1 or shape[1:] != wanted[0].shape[1:]:
        raise SpecError(
            "shape of the calibration samples",
            value=shape,
            allowed=" and ".join(map(str, wanted)),
            remedy="prepare them as the network's inputs",
        )
