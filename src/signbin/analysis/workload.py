"""Layers as accelerators see them: shape, value set and where the zeros are.

A convolution is a matrix product per group: stationary M x K weights (M filters, K = C*R*S of
the group) times streamed K x N activations (N output pixels). Nothing here runs a network.
"""

from __future__ import annotations

import dataclasses
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin.analysis.patterns import draw_independent, draw_stonne
from signbin.errors import FormatError, SpecError
from signbin.files import read_text
from signbin.locks import kept_property
from signbin.spec import ValueSet

__all__ = ["LayerWorkload", "gemm", "parse_gemm", "read_shapes", "with_activations", "with_kind"]

_LARGEST: Final = 1 << 24
_MOST_WEIGHTS: Final = 1 << 28
_MOST_DRAWN: Final = 1 << 25  # STONNE's generator is followed number by number
PATTERNS: Final = ("auto", "independent", "stonne")
_STORED_BITS: Final = {
    ValueSet.FLOAT: 32,
    ValueSet.BINARY: 1,
    ValueSet.TERNARY: 2,
    ValueSet.SIGNED_BINARY: 1,
}


@dataclasses.dataclass(frozen=True, eq=False)
class LayerWorkload:
    """One convolution or linear layer, for one image.

    filters (K), channels (C), kernel (R, S), groups: the weight is (K, C/groups, R, S).
    out_shape, in_shape: height and width of the output and of the unpadded input.
    value_set: what the codes may be. codes: int8 (K, C/groups*R*S) or None; without codes, a
    pattern of the given density is drawn from ``seed`` and the layer's name, signs by value set
    (ternary: a fair coin each; signed-binary: filters of the first half positive).
    activation_density: share of non-zero inputs (1.0: none is zero). streamed_nonzeros: their
    exact number in the streamed matrix, where it is known. zeros: where the pattern of zeros
    comes from, in words, where codes were made and not trained.
    """

    name: str
    filters: int
    channels: int
    kernel: tuple[int, int] = (1, 1)
    out_shape: tuple[int, int] = (1, 1)
    in_shape: tuple[int, int] = (1, 1)
    groups: int = 1
    value_set: ValueSet = ValueSet.SIGNED_BINARY
    density: float = 1.0
    seed: int = 0
    codes: NDArray[np.int8] | None = None
    activation_density: float = 1.0
    streamed_nonzeros: int | None = None
    zeros: str = ""

    def __post_init__(self) -> None:
        extents = (self.filters, self.channels, *self.kernel, *self.out_shape, *self.in_shape)
        if not all(1 <= extent <= _LARGEST for extent in extents):
            raise SpecError(f"shape of {self.name}", value=extents, allowed=f"1..{_LARGEST}")
        if self.groups < 1 or self.channels % self.groups or self.filters % self.groups:
            raise SpecError(
                f"groups of {self.name}",
                value=self.groups,
                allowed=f"a divisor of {self.channels} channels and {self.filters} filters",
            )
        if self.filters * self.inputs > _MOST_WEIGHTS:
            raise SpecError(
                f"weights of {self.name}",
                value=self.filters * self.inputs,
                allowed=f"at most {_MOST_WEIGHTS}",
            )
        for name in ("density", "activation_density"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise SpecError(
                    f"{name} of {self.name}", value=getattr(self, name), allowed="0 < value <= 1"
                )
        if self.codes is not None:
            self._check_codes(self.codes)
        elif self.value_set in (ValueSet.BINARY, ValueSet.FLOAT) and self.density != 1.0:
            raise SpecError(
                f"density of {self.name}",
                value=self.density,
                allowed=f"1.0: {self.value_set.value} has no zeros",
            )

    def _check_codes(self, codes: NDArray[np.int8]) -> None:
        if codes.shape != (self.filters, self.inputs) or codes.dtype != np.int8:
            raise SpecError(
                f"codes of {self.name}",
                value=(str(codes.dtype), codes.shape),
                allowed=f"int8 of shape {(self.filters, self.inputs)}",
            )
        if np.any(np.abs(codes) > 1):
            raise SpecError(f"codes of {self.name}", allowed="-1, 0 and +1")
        object.__setattr__(self, "density", max(int(np.count_nonzero(codes)), 1) / codes.size)

    @property
    def out_pixels(self) -> int:
        """N: columns of the streamed matrix, H_out * W_out."""
        return self.out_shape[0] * self.out_shape[1]

    @property
    def in_elements(self) -> int:
        """Elements of the input, C * H * W."""
        return self.channels * self.in_shape[0] * self.in_shape[1]

    @property
    def inputs(self) -> int:
        """Weights per filter, C/groups * R * S."""
        return self.channels // self.groups * self.kernel[0] * self.kernel[1]

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates."""
        return self.filters * self.inputs * self.out_pixels

    @property
    def streamed(self) -> float:
        """Non-zero elements of one group's streamed matrix (K x N); expected unless known."""
        if self.streamed_nonzeros is not None:
            return self.streamed_nonzeros / self.groups
        return self.inputs * self.out_pixels * self.activation_density

    @property
    def stored_weight_bits(self) -> int:
        """Bits of the weights in memory: 1 (binary, signed-binary), 2 (ternary), 32 (float).

        Signed-binary adds one sign per filter; scales are not counted.
        """
        signs = self.filters if self.value_set is ValueSet.SIGNED_BINARY else 0
        return self.filters * self.inputs * _STORED_BITS[self.value_set] + signs

    @kept_property
    def drawn_codes(self) -> NDArray[np.int8]:
        """int8 (K, C/groups*R*S): the codes given, or those drawn from density and seed."""
        if self.codes is not None:
            return self.codes
        shape = (self.filters, self.inputs)
        seed = (self.seed, zlib.crc32(self.name.encode()))
        return _signed(draw_independent(shape, self.density, seed), self.value_set, seed)

    @kept_property
    def drawn_density(self) -> float:
        """Non-zero weights / weights of the codes given or drawn."""
        if self.codes is None and self.density == 1.0:
            return 1.0
        return float(np.count_nonzero(self.drawn_codes)) / (self.filters * self.inputs)

    def group_codes(self) -> Iterator[NDArray[np.int8]]:
        """The codes of each group, (K/groups, C/groups*R*S)."""
        yield from np.split(self.drawn_codes, self.groups)


def with_kind(
    layer: LayerWorkload, value_set: ValueSet, density: float = 1.0, seed: int = 0
) -> LayerWorkload:
    """The same shape with weights of another kind; binary and float take density 1 only."""
    return dataclasses.replace(
        layer,
        value_set=value_set,
        density=density,
        seed=seed,
        codes=None,
        streamed_nonzeros=None,
        zeros="",
    )


def with_activations(
    layers: Sequence[LayerWorkload], densities: float | Mapping[str, float]
) -> tuple[LayerWorkload, ...]:
    """The layers with shares of non-zero inputs: one for all, or by name (others keep theirs).

    SpecError where a name is no layer's.
    """
    if not isinstance(densities, Mapping):
        densities = {layer.name: densities for layer in layers}
    unknown = sorted(set(densities) - {layer.name for layer in layers})
    if unknown:
        names = ", ".join(layer.name for layer in layers)
        raise SpecError("activation density of", value=unknown[0], allowed=names)
    return tuple(
        dataclasses.replace(layer, activation_density=densities[layer.name], streamed_nonzeros=None)
        if layer.name in densities
        else layer
        for layer in layers
    )


def parse_gemm(text: str) -> tuple[int, int, int]:
    """``"64x49x576"`` -> (M, N, K)."""
    match = re.fullmatch(r"([1-9]\d{0,7})x([1-9]\d{0,7})x([1-9]\d{0,7})", text)
    if not match:
        raise SpecError("matrix product", value=text, allowed="MxNxK, for example 64x49x576")
    M, N, K = (int(part) for part in match.groups())
    return M, N, K


def gemm(
    shape: tuple[int, int, int],
    density: float,
    *,
    pattern: str = "auto",
    seed: int = 0,
    value_set: ValueSet = ValueSet.SIGNED_BINARY,
) -> LayerWorkload:
    """One product of a sparse M x K by a K x N matrix.

    pattern: "independent" draws every weight non-zero with probability ``density``, seeded;
    "stonne" draws both operands as STONNE's command line does for a sparsity of
    100*(1-density) percent, which leaves one percent point fewer non-zeros in either (see
    :func:`draw_stonne`). "auto" is "stonne" where that percentage is whole and 1..98 and there are
    at most 2^25 operands, so that figures can be held against that simulator's, else
    "independent"; a density of 1 has no zeros.
    """
    M, N, K = shape
    name = f"gemm-{M}x{N}x{K}"
    if pattern not in PATTERNS:
        raise SpecError("pattern", value=pattern, allowed=", ".join(PATTERNS))
    plain = LayerWorkload(
        name,
        M,
        K,
        out_shape=(1, N),
        in_shape=(1, N),
        density=density,
        seed=seed,
        value_set=value_set,
    )
    percent = round(100 * (1 - density))
    whole = abs(100 * (1 - density) - percent) < 1e-6
    small = M * K + K * N <= _MOST_DRAWN
    if pattern == "auto":
        pattern = "stonne" if whole and small and 1 <= percent <= 98 else "independent"
    if pattern == "independent" or value_set in (ValueSet.BINARY, ValueSet.FLOAT):
        return plain
    if not (whole and small):
        raise SpecError(
            "the stonne pattern of",
            value=(shape, density),
            allowed=f"a density of whole percents, at most {_MOST_DRAWN} operands",
            remedy='use the pattern "independent"',
        )
    return _as_stonne_draws(plain, percent)


def _as_stonne_draws(plain: LayerWorkload, percent: int) -> LayerWorkload:
    shape = (plain.filters, plain.out_pixels, plain.inputs)
    draw = draw_stonne(shape, percent)
    signs = (plain.seed, zlib.crc32(plain.name.encode()))
    return dataclasses.replace(
        plain,
        codes=_signed(draw.stationary, plain.value_set, signs),
        activation_density=max(draw.streamed_nonzeros, 1) / (plain.inputs * plain.out_pixels),
        streamed_nonzeros=draw.streamed_nonzeros,
        zeros=f"as STONNE's command line draws them for {percent} % and 0 % sparsity",
    )


def _signed(
    nonzero: NDArray[np.bool_], value_set: ValueSet, seed: tuple[int, int]
) -> NDArray[np.int8]:
    """Codes of the kind: the first half of the filters positive, or a fair coin per weight."""
    codes = nonzero.astype(np.int8)
    if value_set is ValueSet.SIGNED_BINARY:
        codes[len(codes) // 2 :] *= -1
    elif value_set is not ValueSet.FLOAT:
        coin = np.random.default_rng((*seed, 1)).integers(0, 2, codes.shape, dtype=np.int8)
        codes *= 2 * coin - 1
    codes.setflags(write=False)
    return codes


def read_shapes(path: Path) -> tuple[LayerWorkload, ...]:
    """Layers of a shapes file, as dense binary layers (see :func:`with_kind`).

    One layer a line: name filters channels height width kernel_h kernel_w stride padding groups;
    '#' starts a comment. FormatError names the line.
    """
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"shapes file {path}", reason=str(error)) from error
    layers = tuple(_layers(path, lines))
    if not layers:
        raise FormatError(f"shapes file {path.name}", allowed="at least one layer")
    return layers


def _layers(path: Path, lines: Iterable[str]) -> Iterator[LayerWorkload]:
    for number, line in enumerate(lines, start=1):
        fields = line.partition("#")[0].split()
        if not fields:
            continue
        try:
            name, *texts = fields
            filters, channels, height, width, R, S, stride, padding, groups = map(int, texts)
            rows = (height + 2 * padding - R) // stride + 1
            columns = (width + 2 * padding - S) // stride + 1
            yield LayerWorkload(
                name,
                filters,
                channels,
                (R, S),
                (rows, columns),
                (height, width),
                groups,
                ValueSet.BINARY,
            )
        except (ValueError, ZeroDivisionError) as error:
            raise FormatError(
                f"{path.name}, line {number}",
                value=line,
                allowed="a name and nine whole numbers of a possible layer",
            ) from error
