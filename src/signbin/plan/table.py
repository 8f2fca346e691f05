"""Layers that look up sums of a few inputs: one bit a weight and sign."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from signbin.plan.cost import vector_lanes
from signbin.plan.layer import Layer
from signbin.plan.operations import Operations, window_total
from signbin.plan.option import Counted, Counting, Option, in_units_of
from signbin.plan.plan import Strategy
from signbin.plan.target import MachineCode, Target
from signbin.spec import Kernel, LowBitWeight

__all__ = ["Table"]

_VECTOR: Final = 32  # filters that are looked up at once
_BYTE: Final = 8  # inputs whose weights lie in a byte: two tables of four
# Generated walks are priced as inside a network, whose code does not stay in the second cache;
# where it does, they are that much faster. Tables of convolutions are for where they win even then.
_BESIDE_CODE: Final = 1.25
_MAKING: Final = 2 * 15  # additions: 15 of the 16 sums of a table have one


@dataclasses.dataclass(frozen=True)
class _Rates:
    """What an instruction set takes, in cycles; fitted on a Zen 4 to 280 cases on codes and 210 on
    floats, 8 to 4096 filters of 16 to 4096 inputs, 1 to 16 images: nine of ten are within 20 %.
    Those of ARM are modelled, never executed on hardware: instructions of the kernel, two a cycle.

    inputs: of a cell. cell: to make its tables for an image. vector: to look up the cells of 32
    filters. output: to bring a sum to its place. layer: to begin.
    """

    inputs: int
    cell: float
    vector: float
    output: float
    layer: float


_RATES: Final = {
    ("u8", "scalar"): _Rates(inputs=8, cell=40.0, vector=470.0, output=8.0, layer=300.0),
    ("u8", "portable"): _Rates(inputs=8, cell=40.0, vector=470.0, output=4.0, layer=300.0),
    ("u8", "avx2"): _Rates(inputs=8, cell=5.2, vector=4.7, output=1.8, layer=300.0),
    ("u8", "avx512"): _Rates(inputs=16, cell=16.0, vector=4.5, output=1.1, layer=280.0),
    ("u8", "neon"): _Rates(inputs=8, cell=20.0, vector=11.5, output=1.5, layer=300.0),
    ("f32", "scalar"): _Rates(inputs=8, cell=40.0, vector=170.0, output=8.0, layer=300.0),
    ("f32", "portable"): _Rates(inputs=8, cell=40.0, vector=170.0, output=4.0, layer=300.0),
    ("f32", "avx2"): _Rates(inputs=30, cell=57.0, vector=56.0, output=3.4, layer=210.0),
    ("f32", "avx512"): _Rates(inputs=30, cell=68.0, vector=26.0, output=1.7, layer=230.0),
}


@dataclasses.dataclass(frozen=True)
class _WindowRates:
    """What an instruction set takes for convolutions on codes, in cycles.

    Those of ARM are modelled, never executed on hardware: instructions of the kernel, one a cycle.

    inputs: channels of a cell. cell: to make its tables, of one pixel. vector: to look up the cell
    of one tap for 32 filters. output: to bring a sum to its place. byte: to lay a code of the input
    out. layer: to begin.
    """

    inputs: int
    cell: float
    vector: float
    output: float
    byte: float = 0.3
    layer: float = 3600.0


_WINDOW_RATES: Final = {
    "scalar": _WindowRates(inputs=8, cell=40.0, vector=470.0, output=8.0),
    "portable": _WindowRates(inputs=8, cell=40.0, vector=470.0, output=4.0),
    "avx2": _WindowRates(inputs=8, cell=12.0, vector=4.3, output=1.5),
    "avx512": _WindowRates(inputs=16, cell=24.0, vector=4.1, output=1.5),
    "neon": _WindowRates(inputs=8, cell=40.0, vector=23.0, output=5.0),
}


class Table:
    """Sums of a few inputs, made once per image; bits of the weights choose one: table lookups.

    Serves low-bit weights of linear layers, and of convolutions on 8-bit codes, where the tables of
    a pixel serve all filters and all windows it is under. Filters that mix -1, 0 and +1 have two
    bits a weight, all others one; time depends neither on the density nor on the batch.
    Source of the method: T-MAC (EuroSys 2025), LUT-GEMM (ICLR 2024), with tables in registers.
    """

    strategy: Final = Strategy.TABLE
    family: Final = "table"
    competes: Final = True
    counting: Final = Counting(unit="sums of 4 inputs that are looked up and added")

    def applies(self, layer: Layer) -> str | None:
        """Low-bit weights; of convolutions on codes alone."""
        if layer.op != "linear" and layer.activations != "u8":
            return "tables serve linear layers, and convolutions on 8-bit codes"
        if isinstance(layer.weight, LowBitWeight):
            return None
        return "the weights are float, not of two or three values per filter"

    def options(self, layer: Layer, kernels: Sequence[Kernel], target: Target) -> Iterator[Option]:
        """One for every kernel; there are no parameters."""
        for kernel in kernels:
            machine = target.running(kernel.isa)
            priced = _priced(layer, kernel.isa)
            if priced is None:
                continue
            cycles, inputs = priced
            if layer.op == "conv2d" and target.generation is MachineCode.ON:
                cycles *= _BESIDE_CODE
            cost = cycles * machine.add_per_cycle * vector_lanes(layer, machine)
            cost /= layer.images * math.prod(layer.output)
            bits = _signs(layer)
            summary = (
                f"table: {bits} bit{'s' if bits > 1 else ''} a weight, sums of {inputs} "
                f"inputs looked up, against {layer.multiply_adds:,} multiply-adds per image"
            )
            yield Option({}, in_units_of(target, machine, layer, cost), summary)

    def limits(self, layer: Layer) -> Mapping[str, range]:
        """It has no parameters."""
        del layer
        return {}

    def operations(self, layer: Layer, parameters: Mapping[str, int]) -> Operations:
        """Additions that make tables of 4 inputs, and one for each sum that is looked up there.

        Filters fill up whole vectors. Of 3, 5 or 6 inputs where an instruction set looks up those.
        Windows share the tables of stride^2 pixels each, those of one pixel read no others.
        """
        del parameters
        pairs = layer.groups * math.ceil(layer.channels / _BYTE)
        filters = math.ceil(layer.filters / layer.groups / _VECTOR) * _VECTOR
        packed = _signs(layer) * filters * pairs * math.prod(layer.window)
        pixels = 1 if layer.window == (1, 1) else layer.stride**2
        total = window_total(layer) if layer.needs_window_total else 0
        return Operations(_MAKING * pairs * pixels + 2 * packed + total, layer.filters, packed)

    def counted(self, layer: Layer) -> Counted | None:
        """What it does, where it applies."""
        return None if self.applies(layer) else Counted({}, self.operations(layer, {}))


def _signs(layer: Layer) -> int:
    """Bits of a weight: two for the whole layer where any filter mixes -1, 0 and +1."""
    return 2 if layer.radix == 3 else 1


def _priced(layer: Layer, isa: str) -> tuple[float, int] | None:
    """Cycles of the whole layer, and inputs of a cell; None where nobody has priced it."""
    if layer.op == "linear":
        rates = _RATES.get((layer.activations, isa))
        return None if rates is None else (_linear_cycles(layer, rates), rates.inputs)
    windows = _WINDOW_RATES.get(isa)
    return None if windows is None else (_window_cycles(layer, windows), windows.inputs)


def _linear_cycles(layer: Layer, rates: _Rates) -> float:
    images = layer.images * math.prod(layer.output)
    cells = math.ceil(layer.channels / rates.inputs)
    vectors = math.ceil(layer.filters / _VECTOR) * _signs(layer)
    each = cells * (rates.cell + vectors * rates.vector) + layer.filters * rates.output
    return images * each + rates.layer


def _window_cycles(layer: Layer, rates: _WindowRates) -> float:
    """Pixels: all under any window; those between windows of one pixel are never laid out."""
    step = 1 if layer.window == (1, 1) else layer.stride
    pixels = math.prod(
        (extent - 1) * step + window
        for extent, window in zip(layer.output, layer.window, strict=True)
    )
    cells = layer.groups * math.ceil(layer.channels / rates.inputs)
    vectors = math.ceil(layer.filters / layer.groups / _VECTOR) * _signs(layer)
    looked_up = cells * math.prod(layer.window) * vectors * rates.vector
    each = pixels * (cells * rates.cell + layer.groups * layer.channels * rates.byte) + math.prod(
        layer.output
    ) * (looked_up + layer.filters * rates.output)
    return layer.images * each + rates.layer
