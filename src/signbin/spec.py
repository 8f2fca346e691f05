"""The vocabulary every room shares: value sets, low-bit weights, activations, preprocessing.

Nothing here imports torch or the native library.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError
from signbin.locks import kept_property

__all__ = [
    "IMAGE_SUFFIXES",
    "Activation",
    "ActivationKind",
    "ActivationSpec",
    "Granularity",
    "IntegerWeight",
    "Kernel",
    "LowBitWeight",
    "Preprocessing",
    "ScaleKind",
    "ValueSet",
]


IMAGE_SUFFIXES: Final = (
    *(".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
    *(".jpg", ".jpeg"),
)
"""Endings of the image files that are read, in lower case; which format one has, its bytes say."""


class ValueSet(enum.Enum):
    """Which values the codes of a weight tensor take.

    ``binary`` is {-1, +1}; ``ternary`` is {-1, 0, +1}; ``signed_binary`` is {0, +1} or {0, -1}
    per region (Brevitas calls {-1, +1} "SignedBinary": that one is ``binary`` here).
    ``multi_bit`` is for training alone: sums of a few binary terms (ABC-Net, LQ-Nets), more than
    three values per filter, which the engine runs as float.
    """

    FLOAT = "float"
    BINARY = "binary"
    TERNARY = "ternary"
    SIGNED_BINARY = "signed_binary"
    MULTI_BIT = "multi_bit"

    @property
    def values(self) -> str:
        """The set as people write it: printed wherever the name is."""
        return {
            ValueSet.FLOAT: "R",
            ValueSet.BINARY: "{-1,+1}",
            ValueSet.TERNARY: "{-1,0,+1}",
            ValueSet.SIGNED_BINARY: "{0,+1} or {0,-1} per region",
            ValueSet.MULTI_BIT: "sums of binary terms",
        }[self]


class Granularity(enum.Enum):
    """Over which weights one threshold or one scale is computed."""

    FILTER = "filter"
    LAYER = "layer"


class ScaleKind(enum.Enum):
    """How the real factor in front of the codes of a filter of M weights is obtained.

    none: it is 1. he: the constant sqrt(2 / M), the deviation that He et al. 2015 start weights
    with, so that codes as large as 1 keep the spread of what passes (McDonnell 2018). mean: mean
    magnitude of the latent weights with a non-zero code. learned: a parameter per filter.
    """

    NONE = "none"
    HE = "he"
    MEAN = "mean"
    LEARNED = "learned"


class ActivationKind(enum.Enum):
    """Elementwise functions a layer's epilogue can apply."""

    NONE = "none"
    RELU = "relu"
    LEAKY_RELU = "leaky_relu"
    PRELU = "prelu"
    CLAMP = "clamp"


@dataclasses.dataclass(frozen=True)
class Activation:
    """An elementwise function with its parameters.

    relu: max(x, 0). leaky_relu: x if x > 0 else slope*x. prelu: the same with one slope per
    channel, read from a constant. clamp: min(max(x, low), high). NaN propagates through all.
    """

    kind: ActivationKind = ActivationKind.NONE
    slope: float = 0.0
    low: float = float("-inf")
    high: float = float("inf")


_LEAST_SCALE: Final = 2.0**-100
_LARGEST_SCALE: Final = 2.0**100
_MOST_BITS: Final = 8


@dataclasses.dataclass(frozen=True)
class ActivationSpec:
    """How the real numbers of an activation are written as whole ones: one scale per tensor.

    real = scale * (code - zero_point), code in [0, top], top = 2^bits - 1.

    scale: a float32 value from 2^-100 to 2^100, so that its reciprocal and its products with codes
    are normal numbers too. zero_point: 0 (unsigned) or 2^(bits - 1) (signed). bits: 1 to 8, 2 or
    more of signed ones. Calibration makes 8 or 7; fewer are those that a network was trained with.

    >>> ActivationSpec(0.5, 128, 8).quantized(np.float32([-1.0, 0.25, 0.75, 1e9, np.nan]))
    array([126, 128, 130, 255,   0], dtype=uint8)
    """

    scale: float
    zero_point: int
    bits: int

    def __post_init__(self) -> None:
        if type(self.bits) is not int or not 1 <= self.bits <= _MOST_BITS:
            raise SpecError("bits of an activation", value=self.bits, allowed="1 to 8")
        zero_points = (0, 2 ** (self.bits - 1) if self.bits > 1 else 0)
        if type(self.zero_point) is not int or self.zero_point not in zero_points:
            raise SpecError(
                "zero point of an activation",
                value=self.zero_point,
                allowed=f"{zero_points[0]} (unsigned) or {zero_points[1]} (signed)",
            )
        legal = type(self.scale) is float and _LEAST_SCALE <= self.scale <= _LARGEST_SCALE
        if not legal or float(np.float32(self.scale)) != self.scale:
            raise SpecError(
                "scale of an activation",
                value=self.scale,
                allowed="a float32 value from 2^-100 to 2^100, as a float",
                remedy="round it: float(numpy.float32(scale))",
            )

    @property
    def top(self) -> int:
        """The largest code."""
        return int(2**self.bits - 1)

    @property
    def signed(self) -> bool:
        """Whether negative numbers have codes."""
        return self.zero_point > 0

    @property
    def inverse_scale(self) -> np.float32:
        """What :meth:`quantized` multiplies by: 1 / scale, computed in float64, as float32."""
        return np.float32(1.0 / self.scale)

    def encoded(self, steps: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Codes of numbers counted in steps of one scale: real / scale.

        rint(min(max(steps, -zero_point), top - zero_point)) + zero_point: nearest, half to even;
        what is out of range saturates, and NaN has the code 0.
        """
        low = np.float32(-self.zero_point)
        high = np.float32(self.top - self.zero_point)
        raised = np.where(steps > low, steps, low)
        held = np.where(raised < high, raised, high)
        return (np.rint(held) + np.float32(self.zero_point)).astype(np.uint8)

    def quantized(self, real: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Codes of float32 numbers: :meth:`encoded` of the float32 product real * inverse_scale."""
        with np.errstate(all="ignore"):
            return self.encoded(real.astype(np.float32, copy=False) * self.inverse_scale)

    def dequantized(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Float32 numbers of codes: (code - zero_point) * scale, one float32 product."""
        steps = codes.astype(np.float32) - np.float32(self.zero_point)
        return steps * np.float32(self.scale)


@dataclasses.dataclass(frozen=True, eq=False)
class LowBitWeight:
    """A weight tensor with two or three values per filter, in logical form.

    w[k, ...] = scale[k] * codes[k, ...] + offset[k]

    codes:  int8, (K, C, R, S) for a convolution, (K, C) for a linear layer, values -1, 0, +1.
    scale:  float32, (K,), any sign, finite.
    offset: float32, (K,), or None where every filter's offset is zero. Non-zero for centred
    filters: out = scale * sum_S x + offset * sum_window x.
    """

    codes: NDArray[np.int8]
    scale: NDArray[np.float32]
    offset: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.codes.dtype != np.int8 or self.codes.ndim not in (2, 4) or not self.codes.size:
            raise SpecError(
                "codes of a low-bit weight",
                value=(str(self.codes.dtype), self.codes.shape),
                allowed="int8 of shape (K, C, R, S) or (K, C), not empty",
            )
        if np.any((self.codes < -1) | (self.codes > 1)):
            raise SpecError("codes of a low-bit weight", allowed="-1, 0 and +1")
        for name, vector in (("scale", self.scale), ("offset", self.offset)):
            if vector is None:
                continue
            if vector.dtype != np.float32 or vector.shape != self.codes.shape[:1]:
                raise SpecError(
                    f"{name} of a low-bit weight",
                    value=(str(vector.dtype), vector.shape),
                    allowed=f"float32 of shape {self.codes.shape[:1]}",
                )
            if not np.all(np.isfinite(vector)):
                raise SpecError(f"{name} of a low-bit weight", allowed="finite numbers")
        for array in (self.codes, self.scale, self.offset):
            if array is not None:
                array.setflags(write=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight tensor."""
        return tuple(int(extent) for extent in self.codes.shape)

    @kept_property
    def density(self) -> float:
        """Non-zero codes / codes."""
        return float(np.count_nonzero(self.codes)) / self.codes.size

    @kept_property
    def extremes(self) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """The smallest and the largest code of every filter."""
        flat = self.codes.reshape(self.codes.shape[0], -1)
        return flat.min(axis=1), flat.max(axis=1)

    @kept_property
    def value_set(self) -> ValueSet:
        """The narrowest set that holds all codes.

        Signed-binary if no *filter* mixes signs (all an engine that applies one sign per filter
        needs), else binary if no code is zero, else ternary. Weights that are signed-binary over
        regions smaller than a filter are therefore ternary here.
        """
        least, largest = self.extremes
        if not ((least < 0) & (largest > 0)).any():
            return ValueSet.SIGNED_BINARY
        return ValueSet.TERNARY if self.density < 1 else ValueSet.BINARY

    def dequantized(self) -> NDArray[np.float32]:
        """The float32 weight tensor: scale[k] * codes[k] + offset[k]."""
        per_filter = (-1,) + (1,) * (self.codes.ndim - 1)
        weight = self.codes.astype(np.float32) * self.scale.reshape(per_filter)
        if self.offset is not None:
            weight = weight + self.offset.reshape(per_filter)
        return weight.astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class IntegerWeight:
    """A float weight tensor rounded to 7-bit whole numbers, for layers with 8-bit activations.

    w[k, ...] = scale[k] * codes[k, ...]

    codes: int8, (K, C, R, S) or (K, C), values -63..63. scale: float32, (K,), finite.
    Seven bits on purpose: 255 * 63 * 2 = 32,130 fits 16 bits, so that every CPU, whatever its
    instructions for products of bytes, gives the same sums.
    """

    codes: NDArray[np.int8]
    scale: NDArray[np.float32]

    LARGEST_CODE: ClassVar[int] = 63

    def __post_init__(self) -> None:
        if self.codes.dtype != np.int8 or self.codes.ndim not in (2, 4) or not self.codes.size:
            raise SpecError(
                "codes of an integer weight",
                value=(str(self.codes.dtype), self.codes.shape),
                allowed="int8 of shape (K, C, R, S) or (K, C), not empty",
            )
        extremes = int(self.codes.min()), int(self.codes.max())
        if extremes[0] < -self.LARGEST_CODE or extremes[1] > self.LARGEST_CODE:
            raise SpecError(
                "codes of an integer weight",
                value=extremes,
                allowed=f"-{self.LARGEST_CODE}..{self.LARGEST_CODE}",
            )
        if self.scale.dtype != np.float32 or self.scale.shape != self.codes.shape[:1]:
            raise SpecError(
                "scale of an integer weight",
                value=(str(self.scale.dtype), self.scale.shape),
                allowed=f"float32 of shape {self.codes.shape[:1]}",
            )
        if not np.all(np.isfinite(self.scale)):
            raise SpecError("scale of an integer weight", allowed="finite numbers")
        self.codes.setflags(write=False)
        self.scale.setflags(write=False)

    @classmethod
    def from_float(cls, weight: NDArray[np.float32]) -> IntegerWeight:
        """The nearest integer weight: scale[k] = max |w[k]| / 63; 1 for a filter of zeros.

        Half to even. A filter whose scale is below the normal float32 numbers becomes zeros.
        """
        flat = weight.reshape(weight.shape[0], -1).astype(np.float64)
        scale = (np.abs(flat).max(axis=1) / cls.LARGEST_CODE).astype(np.float32)
        scale[scale < np.finfo(np.float32).tiny] = 1.0
        steps = np.rint(flat / scale[:, None].astype(np.float64))
        codes = np.clip(steps, -cls.LARGEST_CODE, cls.LARGEST_CODE).astype(np.int8)
        return cls(codes.reshape(weight.shape), scale)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight tensor."""
        return tuple(int(extent) for extent in self.codes.shape)

    def dequantized(self) -> NDArray[np.float32]:
        """The float32 weight tensor: scale[k] * codes[k]."""
        per_filter = (-1,) + (1,) * (self.codes.ndim - 1)
        return self.codes.astype(np.float32) * self.scale.reshape(per_filter)


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One row of native/src/kernels.def, as the planner sees it.

    name: symbol of the C function, e.g. ``sb_f32_bucket_conv2d_f8v1__portable``. activations:
    what it reads, ``f32`` numbers or ``u8`` codes.
    strategy, op: what it serves (``bucket``, ``conv2d``). isa: ``scalar``, ``portable``, ...
    usable: whether the CPU that answered can run it. filters: filters walked together (F).
    vectors: vectors of output pixels held at once (V); dense kernels that multiply codes in vectors
    count pixels. Both are 0 where they mean nothing.
    together: walks that are machine code made when a program is built, at most so many of them
    interleaved in one function; 0 where they are not.
    """

    name: str
    strategy: str
    op: str
    isa: str
    usable: bool
    filters: int = 0
    vectors: int = 0
    activations: str = "f32"
    together: int = 0

    @property
    def generated(self) -> bool:
        """Whether its walks are machine code that is made when a program is built."""
        return self.together > 0


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """From an image file to the network's input: decode, resize, crop, scale, normalise.

    x[c] = (pixel[c] / pixel_max - mean[c]) / std[c], pixels after decoding in [0, 255]
    rescaled to [0, 1] first (pixel_max = 255).

    channels: 1 (grey, ITU-R 601 luma) or 3 (RGB). height, width: the network's input.
    resize: shorter side is resized to this (bilinear), then the centre is cropped; None resizes
    straight to (height, width).
    """

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int | None = None

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise SpecError("preprocessing channels", value=self.channels, allowed="1 or 3")
        for name in ("height", "width", "resize"):
            extent = getattr(self, name)
            if extent is not None and not 1 <= extent <= 65535:
                raise SpecError(f"preprocessing {name}", value=extent, allowed="1..65535")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.channels or not np.all(np.isfinite(values)):
                raise SpecError(
                    f"preprocessing {name}", value=values, allowed=f"{self.channels} finite numbers"
                )
        if min(self.std) <= 0:
            raise SpecError("preprocessing std", value=self.std, allowed="positive numbers")
        if self.resize is not None and self.resize < max(self.height, self.width):
            raise SpecError(
                "preprocessing resize",
                value=self.resize,
                allowed=f"at least the crop, {max(self.height, self.width)}",
            )

    def to_json(self) -> dict[str, Any]:
        """A JSON object that :meth:`from_json` reads back to an equal value."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Preprocessing:
        """Read what :meth:`to_json` wrote; anything else is a SpecError."""
        known = {field.name for field in dataclasses.fields(cls)}
        if set(document) - known or known - {"resize"} - set(document):
            raise SpecError(
                "preprocessing keys", value=sorted(document), allowed=str(sorted(known))
            )
        values = dict(document)
        try:
            for name in ("channels", "height", "width"):
                values[name] = _whole(values[name])
            if values.get("resize") is not None:
                values["resize"] = _whole(values["resize"])
            for name in ("mean", "std"):
                values[name] = tuple(float(number) for number in values[name])
        except (TypeError, ValueError) as error:
            raise SpecError("preprocessing", value=dict(document), allowed="numbers") from error
        return cls(**values)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"not a whole number: {value!r}")
    return value
