"""Slow numpy oracles and one-layer programs, written from the formulas and not from the kernels."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from signbin.native import _signbin

SOURCES = Path(__file__).parents[2] / "native" / "src"
UNIT_ROUNDOFF = 2.0**-24


@pytest.fixture(scope="session")
def cmake():
    """The program that builds the C library: beside this Python, or on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("cmake", path=path)
    assert found is not None, "cmake is missing: pip install 'signbin[dev]'"
    return found


@pytest.fixture(scope="session")
def kernel_files(cmake, tmp_path_factory):
    """The C files of all kernels, made from kernels.def as the build makes them."""
    folder = tmp_path_factory.mktemp("kernels")
    script = SOURCES / "kernels.cmake"
    subprocess.run([cmake, "-D", f"folder={folder}", "-P", str(script)], check=True)
    return sorted(folder.glob("*.c"))


@pytest.fixture(scope="session")
def c_library(kernel_files):
    """All C files of the library."""
    return [*sorted(SOURCES.rglob("*.c")), *kernel_files]


@dataclasses.dataclass(frozen=True)
class Conv:
    """C,H,W -> K with a window R,S; pairs are (height, width), padding four where sides differ."""

    channels: int = 4
    size: tuple[int, int] = (6, 6)
    filters: int = 8
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def output(self) -> tuple[int, int]:
        height, width = (
            (n + before + after - d * (k - 1) - 1) // s + 1
            for n, before, after, d, k, s in zip(
                *(self.size, self.around[:2], self.around[2:]),
                *(self.dilation, self.kernel, self.stride),
                strict=True,
            )
        )
        return height, width

    @property
    def around(self) -> tuple[int, ...]:
        """Padding above, left, below and right."""
        return self.padding if len(self.padding) == 4 else self.padding * 2

    @property
    def taps(self) -> int:
        return self.channels // self.groups * self.kernel[0] * self.kernel[1]

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        return (self.filters, self.channels // self.groups, *self.kernel)

    @property
    def window(self) -> tuple[int, ...]:
        return (*self.kernel, *self.stride, *self.around, *self.dilation)

    def input(self, rng, batch=2):
        return rng.standard_normal((batch, self.channels, *self.size)).astype(np.float32)


def windows_of(x, conv):
    """[N, G, C/G, R, S, P, Q] in float64: every input under every tap, zeros outside."""
    (p, q), (top, left, bottom, right) = conv.output, conv.around
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    taps = np.empty((*x.shape[:2], *conv.kernel, p, q))
    for r in range(conv.kernel[0]):
        for s in range(conv.kernel[1]):
            top, left = r * conv.dilation[0], s * conv.dilation[1]
            taps[:, :, r, s] = padded[
                :,
                :,
                top : top + (p - 1) * conv.stride[0] + 1 : conv.stride[0],
                left : left + (q - 1) * conv.stride[1] + 1 : conv.stride[1],
            ]
    return taps.reshape(x.shape[0], conv.groups, -1, *conv.kernel, p, q)


def convolve(x, weight, conv):
    """y[n, k, p, q] = sum of w[k] * x under the window, in float64."""
    grouped = weight.astype(np.float64).reshape(conv.groups, -1, *weight.shape[1:])
    with np.errstate(invalid="ignore", over="ignore"):
        product = np.einsum("ngcrspq,gkcrs->ngkpq", windows_of(x, conv), grouped)
    return product.reshape(x.shape[0], conv.filters, *conv.output)


@dataclasses.dataclass(frozen=True)
class Weights:
    """codes int8, scale and offset float32 or None; values is the same in floats."""

    codes: np.ndarray
    scale: np.ndarray
    offset: np.ndarray | None

    @property
    def values(self):
        per_filter = (-1,) + (1,) * (self.codes.ndim - 1)
        dense = self.codes * self.scale.astype(np.float64).reshape(per_filter)
        return dense + (0 if self.offset is None else self.offset.reshape(per_filter))

    def native(self, tile, *, generated=False):
        return _signbin.Weight(
            strategy=_signbin.Strategy.BUCKET,
            codes=self.codes.reshape(-1),
            scale=self.scale,
            offset=self.offset,
            tile=tile,
            generated=generated,
        )


def low_bit(rng, shape, value_set, density=0.4):
    """Random codes of a value set, scales of both signs; `centred` has offsets."""
    codes = np.where(rng.random(shape) < density, 1, 0).astype(np.int8)
    random_signs = np.where(rng.random(shape) < 0.5, 1, -1).astype(np.int8)
    per_filter = (-1,) + (1,) * (len(shape) - 1)
    filter_signs = np.where(np.arange(shape[0]) % 2, -1, 1).astype(np.int8).reshape(per_filter)
    scale = (rng.uniform(0.1, 2, shape[0]) * rng.choice([-1, 1], shape[0])).astype(np.float32)
    offset = None
    if value_set == "binary":
        codes = random_signs
    elif value_set == "ternary":
        codes = codes * random_signs
    else:
        codes = codes * filter_signs
    if value_set == "centred":
        offset = (-scale * codes.reshape(shape[0], -1).mean(axis=1)).astype(np.float32)
    return Weights(codes, scale, offset)


def float_weight(values):
    flat = np.ascontiguousarray(values, np.float32).reshape(-1)
    return _signbin.Weight(strategy=_signbin.Strategy.DENSE, values=flat, tile=(1, 1, 1))


class OneLayer:
    """A program of one step: input -> output, residuals computed by an earlier copy."""

    def __init__(self, isa, in_shape, out_shape, threads=1):
        self.in_shape, self.out_shape = in_shape, out_shape
        self.builder = _signbin.Builder(isa, 0, 0, threads, generates=True)
        self.input = self.builder.add_value((*in_shape, 1, 1)[:3], _signbin.Place.INPUT)
        self.output = self.builder.add_value((*out_shape, 1, 1)[:3], _signbin.Place.OUTPUT)

    def run(self, x):
        program = self.builder.finish()
        self.kernels = program.step_kernels()
        y = np.full((len(x), *self.out_shape), np.nan, np.float32)
        program.run([x], [y], len(x))
        return y


def run_conv2d(isa, conv, weight, x, *, threads=1, **epilogue):
    """(output, name of the kernel that computed it)."""
    layer = OneLayer(isa, (conv.channels, *conv.size), (conv.filters, *conv.output), threads)
    layer.builder.add_conv2d(
        layer.input,
        layer.output,
        conv.window,
        conv.groups,
        weight,
        _signbin.Epilogue(**epilogue),
    )
    return layer.run(x), layer.kernels[0]


def run_linear(isa, weight, x, filters, **epilogue):
    layer = OneLayer(isa, (x.shape[1],), (filters,))
    layer.builder.add_linear(layer.input, layer.output, weight, _signbin.Epilogue(**epilogue))
    return layer.run(x), layer.kernels[0]


def walk_tolerance(window_sum, taps, filters, weights):
    """What rounding may cost a bucket walk, per output.

    A filter's sum is a sum of differences S(t2) - S(t1) of one running sum. Each of the `taps`
    additions and each of at most 2^F subtractions rounds once, by at most 2^-24 of a number no
    larger than sum |x| of the window; a total or an epilogue adds a few more.
    """
    additions = 2 * taps + 2**filters + 8
    factor = 2 * np.abs(weights.scale)
    if weights.offset is not None:
        factor = factor + np.abs(weights.offset)
    return (
        additions * UNIT_ROUNDOFF * window_sum * factor.reshape(-1, *(1,) * (window_sum.ndim - 2))
    )


def dense_tolerance(products, taps):
    """n products and additions, each rounded by at most 2^-24 of sum |w x|."""
    return (2 * taps + 8) * UNIT_ROUNDOFF * products


@dataclasses.dataclass(frozen=True)
class Oracle:
    """Everything above, for tests: modules of tests cannot import one another."""

    Conv = staticmethod(Conv)
    OneLayer = staticmethod(OneLayer)
    convolve = staticmethod(convolve)
    dense_tolerance = staticmethod(dense_tolerance)
    float_weight = staticmethod(float_weight)
    low_bit = staticmethod(low_bit)
    run_conv2d = staticmethod(run_conv2d)
    run_linear = staticmethod(run_linear)
    walk_tolerance = staticmethod(walk_tolerance)
    windows_of = staticmethod(windows_of)


@pytest.fixture(scope="session")
def oracle():
    return Oracle()


# ---- 8-bit codes ----------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Quantized:
    """real = scale * (q - zero), 0 <= q <= top; the scale is left to the caller."""

    zero: int = 0
    top: int = 255

    def random(self, rng, shape):
        return rng.integers(0, self.top + 1, shape).astype(np.int64)

    @property
    def native(self):
        return (self.zero, self.top)


@dataclasses.dataclass(frozen=True)
class Chain:
    """The numbers between an exact sum and what is stored; arrays are per channel."""

    scale: np.ndarray
    bias: np.ndarray | None = None
    offset: np.ndarray | None = None
    residual_scale: float = 1.0
    activation: _signbin.Activation = _signbin.Activation.NONE
    slope: float = 0.0
    low: float = 0.0
    high: float = 0.0
    prelu: np.ndarray | None = None
    post_bias: np.ndarray | None = None

    def epilogue(self, residual=None):
        """What the builder takes; scale and offset belong to the weights."""
        fields = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("scale", "offset")
        }
        return _signbin.Epilogue(residual=residual, **fields)

    def finish(self, exact, total=None, residual=None, output=None):
        """One float32 operation after the other. residual: q - zero. output: None for float32."""
        column = (1, -1) + (1,) * (exact.ndim - 2)
        one = np.float32

        def per_channel(array):
            return array.astype(one).reshape(column)

        with np.errstate(over="ignore", invalid="ignore"):
            f = exact.astype(one) * per_channel(self.scale)
            if self.bias is not None:
                f = f + per_channel(self.bias)
            if self.offset is not None:
                f = f + per_channel(self.offset) * total.astype(one)
            if residual is not None:
                f = f + one(self.residual_scale) * residual.astype(one)
            if self.activation is _signbin.Activation.RELU:
                f = np.where(f < 0, one(0), f)
            elif self.activation is _signbin.Activation.LEAKY_RELU:
                slope = one(self.slope) if self.prelu is None else per_channel(self.prelu)
                f = np.where(f > 0, f, slope * f)
            elif self.activation is _signbin.Activation.CLAMP:
                f = np.where(f < one(self.low), one(self.low), f)
                f = np.where(f > one(self.high), one(self.high), f)
            if self.post_bias is not None:
                f = f + per_channel(self.post_bias)
        assert f.dtype == np.float32
        return f if output is None else requantize(f, output)


def requantize(f, output):
    """Codes of float32 numbers: clamped (NaN becomes the least), rounded, ties to even."""
    low, high = np.float32(-output.zero), np.float32(output.top - output.zero)
    f = np.where(f > low, f, low)
    f = np.where(f < high, f, high)
    return np.rint(f).astype(np.int64) + output.zero


def exact_convolution(q, codes, conv, zero):
    """(sum of code * (q - zero), sum of q - zero) under every window, in int64."""
    padded = (q - zero).astype(np.float64)
    taps = windows_of(padded, conv)
    grouped = codes.astype(np.float64).reshape(conv.groups, -1, *codes.shape[1:])
    exact = np.einsum("ngcrspq,gkcrs->ngkpq", taps, grouped)
    total = np.broadcast_to(taps.sum(axis=(2, 3, 4))[:, :, None], exact.shape)
    shape = (len(q), conv.filters, *conv.output)
    return exact.reshape(shape).astype(np.int64), total.reshape(shape).astype(np.int64)


class CodesProgram:
    """input -> quantize -> one step on codes -> dequantize -> output; factors are 1, so that the
    program takes q - zero and gives q - zero, or the step's own float32."""

    def __init__(self, isa, shapes, codes, threads=1, place=_signbin.Place.ARENA):
        (in_shape, self.out_shape), (given, self.result) = shapes, codes
        self.given, self.place, self.offset = given, place, 0
        self.builder = _signbin.Builder(isa, 1 << 22, 1 << 22, threads, generates=True)
        self.plain_input = self.value(in_shape, None, _signbin.Place.INPUT)
        self.input = self.value(in_shape, given)
        self.plain_output = self.value(self.out_shape, None, _signbin.Place.OUTPUT)
        self.output = self.plain_output
        if self.result is not None:
            self.output = self.value(self.out_shape, self.result)
        self.builder.add_direct("quantize", self.plain_input, self.input, real=(1.0,))

    def value(self, shape, codes, place=None, layout=None, fill=0):
        number = self.builder.add_value(
            (*shape, 1, 1)[:3],
            self.place if place is None else place,
            self.offset if place is None else 0,
            layout,
            fill,
            None if codes is None else codes.native,
        )
        self.offset += (1 << 19) if place is None else 0
        return number

    def run(self, q):
        """Codes in, codes (int64) or float32 out."""
        if self.result is not None:
            self.builder.add_direct("dequantize", self.output, self.plain_output, real=(1.0,))
        program = self.builder.finish()
        self.kernels = program.step_kernels()
        y = np.full((len(q), *self.out_shape), np.nan, np.float32)
        program.run([np.ascontiguousarray(q - self.given.zero, np.float32)], [y], len(q))
        return y if self.result is None else y.astype(np.int64) + self.result.zero


@dataclasses.dataclass(frozen=True)
class CodesOracle:
    """Everything above about codes."""

    Chain = staticmethod(Chain)
    Program = staticmethod(CodesProgram)
    Quantized = staticmethod(Quantized)
    exact_convolution = staticmethod(exact_convolution)
    requantize = staticmethod(requantize)


@pytest.fixture(scope="session")
def codes_oracle():
    return CodesOracle()
