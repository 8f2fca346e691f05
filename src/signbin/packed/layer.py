"""``signbin.linear``: y = x W^T + b for low-bit W, by table lookups (see docs/kernels.md)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin import native
from signbin.draft.low_bit import recognize
from signbin.errors import ExecutionError, SpecError
from signbin.runtime.inputs import ArrayLike, as_array, as_count
from signbin.spec import LowBitWeight

__all__ = ["ACTIVATIONS", "PackedLinear", "as_low_bit", "linear", "pack_linear"]

ACTIVATIONS: Final = ("float32", "dynamic_int8", "uint8")
"""How a packed layer reads its input; see :func:`pack_linear`."""

_FLOAT32: Final = np.dtype(np.float32)
_UINT8: Final = np.dtype(np.uint8)
_TOP: Final = 255


def linear(x: ArrayLike, packed: PackedLinear) -> NDArray[np.float32]:
    """y = x W^T + bias, float32 (..., K), for x (..., C).

    x: a numpy array, or any array on the CPU that DLPack knows, as PyTorch's tensors; uint8 where
    the layer was packed for ``uint8``, else a floating type, which is cast to float32. A NaN or an
    infinity in a row makes all of its outputs NaN or infinite; a row has the same bits whatever
    other rows there are. ExecutionError for anything else.

    >>> import numpy as np, signbin
    >>> weight = signbin.LowBitWeight(np.array([[0, 1, 1], [-1, 0, 0]], np.int8),
    ...                               np.array([0.5, 2.0], np.float32))
    >>> packed = signbin.pack_linear(weight)
    >>> signbin.linear(np.array([[1.0, 2.0, 4.0]], np.float32), packed)
    array([[ 3., -2.]], dtype=float32)
    """
    if not isinstance(packed, PackedLinear):
        raise ExecutionError(
            "packed layer",
            value=type(packed).__name__,
            allowed="what signbin.pack_linear returns",
            remedy="pack the weight once: packed = signbin.pack_linear(weight)",
        )
    return packed(x)


def pack_linear(
    weight: LowBitWeight | NDArray[np.float32],
    bias: NDArray[np.float32] | None = None,
    *,
    activations: str = "float32",
    isa: str = "auto",
    threads: int = 1,
) -> PackedLinear:
    """A layer's weights as :func:`linear` reads them on this CPU: one bit a weight.

    weight: (K, C), logical, or float32 whose filters have two or three values each (recognised as
    when a network is captured). Filters that mix -1, 0 and +1 take two bits a weight, in the whole
    layer. bias: float32 (K,), finite, or None. Both are copied. activations: how x is read:

    - ``float32``: as it is. y differs from the exact products by the roundings of float32 sums.
    - ``dynamic_int8``: every row becomes 8-bit codes first, q = round(x / step), step = max |x| /
      127 (max x / 255 where no x is negative), so y is that of a rounded x: |error of x| <= step /
      2. A row whose largest number is below 2^-100 counts as zeros. Sums of codes are exact.
    - ``uint8``: x is uint8, whole numbers from 0 to 255. Sums are exact.

    isa, threads: as for Program. SpecError for weights that are not low-bit or a bias that does not
    fit; ExecutionError for an unknown activations, isa or number of threads.
    """
    if activations not in ACTIVATIONS:
        raise ExecutionError(
            "activations of a packed layer", value=activations, allowed=", ".join(ACTIVATIONS)
        )
    return PackedLinear(as_low_bit(weight), _checked_bias(bias, weight), activations, isa, threads)


class PackedLinear:
    """What :func:`pack_linear` makes: immutable, for any number of Python threads at once."""

    def __init__(
        self,
        weight: LowBitWeight,
        bias: NDArray[np.float32] | None,
        activations: str,
        isa: str,
        threads: int,
    ) -> None:
        library = native.extension()
        self._isa = native.resolve_isa(isa)
        self._threads = as_count(threads, "threads of a packed layer", library.MAX_THREADS)
        self._filters, self._channels = weight.shape
        self._activations = activations
        try:
            self._native = self._build(library, weight, bias)
        except library.StatusError as error:
            raise ExecutionError(
                "a linear layer that cannot be packed", value=str(error), remedy="use fewer inputs"
            ) from error
        wanted = _UINT8 if activations == "uint8" else _FLOAT32
        self._wanted, self._converts = wanted, activations == "uint8"

    def _build(self, library: Any, weight: LowBitWeight, bias: NDArray[np.float32] | None) -> Any:
        coded = self._activations == "uint8"
        bytes_ = 2 * self._channels if coded else 0
        builder = library.Builder(self._isa, 0, bytes_, self._threads)
        source = builder.add_value((self._channels, 1, 1), library.Place.INPUT)
        target = builder.add_value((self._filters, 1, 1), library.Place.OUTPUT)
        if coded:
            numbers = source
            source = builder.add_value((self._channels, 1, 1), library.Place.BATCH, codes=(0, _TOP))
            builder.add_direct("quantize", numbers, source, real=(1.0,))
        packed = library.Weight(
            strategy=library.Strategy.TABLE,
            codes=np.ascontiguousarray(weight.codes).reshape(-1),
            scale=weight.scale,
            offset=weight.offset,
            tile=(1, 1, 1),
            coded_rows=self._activations == "dynamic_int8",
        )
        builder.add_linear(source, target, packed, library.Epilogue(bias=bias))
        return builder.finish()

    def __call__(self, x: ArrayLike) -> NDArray[np.float32]:
        """:func:`linear`."""
        if type(x) is np.ndarray and x.dtype == self._wanted and x.flags.c_contiguous:
            array = x
        else:
            array = self._checked(x)
        shape = array.shape
        if not shape or shape[-1] != self._channels:
            raise ExecutionError(
                "shape of the input of a packed layer",
                value=shape,
                allowed=f"(..., {self._channels})",
            )
        y = np.empty((*shape[:-1], self._filters), np.float32)
        rows = array.size // self._channels
        if rows:
            numbers = array.astype(np.float32) if self._converts else array
            try:
                self._native.run([numbers], [y], rows)
            except native.extension().StatusError as error:
                raise ExecutionError(
                    "rows beyond memory", value=f"{rows} rows", remedy="use fewer rows"
                ) from error
        return y

    def _checked(self, x: ArrayLike) -> NDArray[Any]:
        array = as_array(x, "input of a packed layer")
        fits = np.issubdtype(array.dtype, np.floating) and not self._converts
        if not fits and array.dtype != self._wanted:
            allowed = "uint8" if self._converts else "float32, or another floating type"
            other = "float32" if self._converts else "uint8"
            raise ExecutionError(
                "dtype of the input of a packed layer",
                value=str(array.dtype),
                allowed=allowed,
                remedy=f"pack it for what it reads: pack_linear(weight, activations={other!r})",
            )
        with np.errstate(over="ignore"):  # values beyond float32 become infinite, as in numpy
            return np.ascontiguousarray(array, dtype=self._wanted)

    @property
    def shape(self) -> tuple[int, int]:
        """(K, C)."""
        return self._filters, self._channels

    @property
    def activations(self) -> str:
        """How the input is read: one of ACTIVATIONS."""
        return self._activations

    @property
    def kernel(self) -> str:
        """Name of the kernel that runs."""
        return str(self._native.step_kernels()[-1])

    @property
    def bits_per_weight(self) -> float:
        """Of the packed weights in memory, padding included; scales and bias are not in it."""
        bits = 8 * self._native.packed_bytes()[-1]
        return float(bits) / (self._filters * self._channels)

    @property
    def working_bytes(self) -> int:
        """Memory of one call with one row, beside input and output."""
        return int(self._native.arena_bytes(1))

    def __repr__(self) -> str:
        return (
            f"PackedLinear({self._filters} x {self._channels}, {self._activations}, "
            f"{self.bits_per_weight:.2f} bits a weight, {self.kernel})"
        )


def as_low_bit(weight: LowBitWeight | NDArray[np.float32]) -> LowBitWeight:
    """A (K, C) weight, logical; float32 ones are recognised from their values. Else SpecError."""
    found = weight if isinstance(weight, LowBitWeight) else _recognized(weight)
    if len(found.shape) != 2:
        raise SpecError("weight of a packed layer", value=found.shape, allowed="shape (K, C)")
    return found


def _recognized(weight: NDArray[np.float32]) -> LowBitWeight:
    found = recognize(as_array(weight, "weight of a packed layer"))
    if found is None:
        raise SpecError(
            "weight of a packed layer",
            value="float weights",
            allowed="two or three values per filter, such as {0, a} or {-a, a}, and 8 inputs",
            remedy="quantise it first, or give a LowBitWeight",
        )
    return found


def _checked_bias(
    bias: NDArray[np.float32] | None, weight: LowBitWeight | NDArray[np.float32]
) -> NDArray[np.float32] | None:
    if bias is None:
        return None
    array = as_array(bias, "bias of a packed layer")
    if array.dtype != np.float32 or array.shape != weight.shape[:1]:
        raise SpecError(
            "bias of a packed layer",
            value=(str(array.dtype), array.shape),
            allowed=f"float32 of shape {tuple(weight.shape[:1])}",
        )
    if not np.all(np.isfinite(array)):
        raise SpecError("bias of a packed layer", allowed="finite numbers")
    return np.ascontiguousarray(array)
