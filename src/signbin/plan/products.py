"""The cost of dense layers on codes, whose kernels have filters in the lanes.

A tile of pixels meets the packed weights of a block of filters step by step, 4 bytes of every
window at a time (native/src/kernels/dense/products.h). So a layer takes the same time whatever its
weights are, and no lane is wasted on pixels that are not there; filters fill up whole vectors.

Cycles were fitted to times of 19 shapes of ResNet-18, ResNet-20 and MobileNet, with weights of two
values and of 7 bits, on a Zen 4: predictions for layers of one group are within 12 % with VNNI and
15 % with AVX2. The portable ones are rougher.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Final

from signbin.plan.cores import CORES, MODELLED, Core
from signbin.plan.cost import vector_lanes
from signbin.plan.layer import Layer
from signbin.plan.target import Target

__all__ = ["has_product_kernels", "modelled_products", "product_cost"]

_STEP_BYTES: Final = 4
_STRIP_PIXELS: Final = 96
_STRIP_IMAGES: Final = 48


@dataclasses.dataclass(frozen=True)
class _Rates:
    """What one instruction set takes, in cycles.

    lanes: filters of a vector of sums. step: to multiply 4 bytes of a pixel with a vector of
    filters. output: to bring a sum to its place through the epilogue. byte: to lay a code of the
    input out. weight: to bring a byte of weights close, once per strip of pixels. group: to begin
    with a convolution group at a pixel. tap: of a vector of ``pixels`` of a depthwise layer. layer:
    to begin. together: steps of 4 bytes that are taken at once, whatever is in them. given: to
    bring a vector of inputs of a depthwise layer close.
    """

    lanes: int
    step: float
    output: float
    byte: float
    weight: float
    group: float
    pixels: int = 16
    tap: float = 1.58
    layer: float = 3600.0
    together: int = 1
    given: float = 0.0


_RATES: Final = {
    "portable": _Rates(
        lanes=8, step=13.0, output=2.0, byte=1.0, weight=0.1, group=10.0, pixels=8, tap=4.4
    ),
    "avx2": _Rates(lanes=8, step=0.74, output=1.2, byte=0.42, weight=0.27, group=7.5, given=2.4),
    "avx512vnni": _Rates(
        lanes=16, step=1.0, output=1.1, byte=0.2, weight=0.03, group=3.7, given=2.4
    ),
}
# Linear layers bring neighbouring sums to their places, and hardly anything begins: fitted on the
# same machine to 36 cases, 8 to 1024 filters of 64 to 1024 inputs, 1 to 16 images; nine of ten are
# within 17 %.
_LINEAR: Final = {
    "avx2": _Rates(lanes=8, step=0.94, output=3.8, byte=0.22, weight=0.015, group=0.0, layer=290.0),
    "avx512vnni": _Rates(
        lanes=16, step=0.83, output=0.82, byte=0.23, weight=0.021, group=0.0, layer=290.0
    ),
}


# Those of ARM are modelled, never executed on hardware: cores.py. A step is 16 products there.
_TYPICAL_CORES: Final = {"neon": "cortex-a72", "neon_dot": "cortex-a76", "neon_i8mm": "cortex-a710"}
_STEP_PRODUCTS: Final = 16  # as many codes as a vector has
_INSTRUCTIONS: Final = {"neon": "SMLAL", "neon_dot": "SDOT", "neon_i8mm": "SMMLA"}


def _rates_of(target: Target, op: str) -> _Rates | None:
    """What the target's own kernels take; None where it has none."""
    core = _core_of(target)
    if core is None:
        return (_LINEAR if op == "linear" else _RATES).get(target.isa) or _RATES.get(target.isa)
    output = core.result_cycles / _STEP_PRODUCTS
    step = _STEP_PRODUCTS / core.products[target.isa]
    tap = 4.0 / core.adds
    return _Rates(4, step, output, byte=0.2, weight=0.03, group=10.0, tap=tap, together=4)


def _core_of(target: Target) -> Core | None:
    """Whose products are modelled; None where those of the instruction set were measured."""
    core = CORES.get(target.core or _TYPICAL_CORES.get(target.isa, ""))
    return core if core is not None and target.isa in core.products else None


def modelled_products(target: Target) -> str:
    """What is said of a dense layer where its rate is modelled; nothing elsewhere."""
    core = _core_of(target)
    if core is None:
        return ""
    how = _INSTRUCTIONS[target.isa]
    return f", {core.products[target.isa]:g} a cycle by {how} ({MODELLED})"


def has_product_kernels(layer: Layer, target: Target) -> bool:
    """Whether dense kernels of the target's own instruction set run the layer as described here."""
    return layer.activations == "u8" and _rates_of(target, layer.op) is not None


def product_cost(layer: Layer, target: Target) -> float:
    """Predicted vector operations of a dense layer on codes, per vector of output pixels."""
    pixels = layer.images * math.prod(layer.output)
    cycles = _depthwise_cycles if layer.is_depthwise else _product_cycles
    vectors = pixels / vector_lanes(layer, target)
    rates = _rates_of(target, layer.op)
    assert rates is not None
    return cycles(layer, pixels, rates) * target.add_per_cycle / vectors


def _product_cycles(layer: Layer, pixels: int, rates: _Rates) -> float:
    vectors = layer.groups * math.ceil(layer.filters / layer.groups / rates.lanes)
    steps = _steps(layer, rates.together)
    strip = _STRIP_IMAGES if layer.op == "linear" else _STRIP_PIXELS
    # The pixels between the windows of a 1x1 layer are never laid out.
    kept = 1 if layer.window == (1, 1) else layer.stride**2
    return (
        pixels * vectors * steps * rates.step
        + pixels * layer.filters * rates.output
        + pixels * kept * layer.groups * layer.channels * rates.byte
        + math.ceil(pixels / strip) * vectors * rates.lanes * steps * _STEP_BYTES * rates.weight
        + (pixels * layer.groups * rates.group if layer.groups > 1 else 0.0)
        + rates.layer
    )


def _steps(layer: Layer, together: int) -> int:
    """Steps of a window: rows of pixels that follow one another in memory, or single pixels."""
    rows, columns = layer.window
    at_once = together * _STEP_BYTES
    if layer.groups == 1:
        return rows * math.ceil(columns * layer.channels / at_once) * together
    return rows * columns * math.ceil(layer.channels / at_once) * together


def _depthwise_cycles(layer: Layer, pixels: int, rates: _Rates) -> float:
    """Lanes are pixels, and taps go two by two."""
    taps = layer.filters * math.ceil(layer.inputs / 2) * 2 * rates.tap
    given = layer.groups * layer.stride**2 * rates.given
    return math.ceil(pixels / rates.pixels) * (taps + given) + rates.layer
