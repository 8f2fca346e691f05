"""Linear layers that look up sums of a few inputs: one bit a weight and sign."""

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
from signbin.plan.target import Target
from signbin.spec import Kernel, LowBitWeight

__all__ = ["Table"]

_VECTOR: Final = 32  # filters that are looked up at once
_BYTE: Final = 8  # inputs whose weights lie in a byte: two tables of four
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
    ("u8", "avx512"): _Rates(inputs=16, cell=33.0, vector=4.5, output=1.1, layer=280.0),
    ("u8", "neon"): _Rates(inputs=8, cell=20.0, vector=11.5, output=1.5, layer=300.0),
    ("f32", "scalar"): _Rates(inputs=8, cell=40.0, vector=170.0, output=8.0, layer=300.0),
    ("f32", "portable"): _Rates(inputs=8, cell=40.0, vector=170.0, output=4.0, layer=300.0),
    ("f32", "avx2"): _Rates(inputs=30, cell=57.0, vector=56.0, output=3.4, layer=210.0),
    ("f32", "avx512"): _Rates(inputs=30, cell=68.0, vector=26.0, output=1.7, layer=230.0),
}


class Table:
    """Sums of a few inputs, made once per image; bits of the weights choose one: table lookups.

    Serves low-bit weights of linear layers. Filters that mix -1, 0 and +1 have two bits a weight,
    all others one; time depends neither on the density nor on the batch.
    Source of the method: T-MAC (EuroSys 2025), LUT-GEMM (ICLR 2024), with tables in registers.
    """

    strategy: Final = Strategy.TABLE
    family: Final = "table"
    competes: Final = True
    counting: Final = Counting(unit="sums of 4 inputs that are looked up and added")

    def applies(self, layer: Layer) -> str | None:
        """Low-bit weights of a linear layer."""
        if layer.op != "linear":
            return "tables serve linear layers"
        if isinstance(layer.weight, LowBitWeight):
            return None
        return "the weights are float, not of two or three values per filter"

    def options(self, layer: Layer, kernels: Sequence[Kernel], target: Target) -> Iterator[Option]:
        """One for every kernel; there are no parameters."""
        for kernel in kernels:
            machine = target.running(kernel.isa)
            rates = _RATES.get((layer.activations, kernel.isa))
            if rates is None:
                continue
            images = layer.images * math.prod(layer.output)
            cost = _cycles(layer, images, rates) * machine.add_per_cycle
            cost *= vector_lanes(layer, machine) / images
            bits = _signs(layer)
            summary = (
                f"table: {bits} bit{'s' if bits > 1 else ''} a weight, sums of {rates.inputs} "
                f"inputs looked up, against {layer.multiply_adds:,} multiply-adds per image"
            )
            yield Option({}, in_units_of(target, kernel, layer, cost), summary)

    def limits(self, layer: Layer) -> Mapping[str, range]:
        """It has no parameters."""
        del layer
        return {}

    def operations(self, layer: Layer, parameters: Mapping[str, int]) -> Operations:
        """Additions that make tables of 4 inputs, and one for each sum that is looked up there.

        Filters fill up whole vectors. Of 3, 5 or 6 inputs where an instruction set looks up those.
        """
        del parameters
        pairs = math.ceil(layer.channels / _BYTE)
        filters = math.ceil(layer.filters / _VECTOR) * _VECTOR
        packed = _signs(layer) * filters * pairs
        total = window_total(layer) if layer.needs_window_total else 0
        return Operations(_MAKING * pairs + 2 * packed + total, layer.filters, packed)

    def counted(self, layer: Layer) -> Counted | None:
        """Of linear layers."""
        return None if self.applies(layer) else Counted({}, self.operations(layer, {}))


def _signs(layer: Layer) -> int:
    """Bits of a weight: two for the whole layer where any filter mixes -1, 0 and +1."""
    return 2 if layer.radix == 3 else 1


def _cycles(layer: Layer, images: int, rates: _Rates) -> float:
    cells = math.ceil(layer.channels / rates.inputs)
    vectors = math.ceil(layer.filters / _VECTOR) * _signs(layer)
    each = cells * (rates.cell + vectors * rates.vector) + layer.filters * rates.output
    return images * each + rates.layer
