"""A convolution of packed low-bit weights, as a module."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from signbin.artifact import Artifact
from signbin.draft.low_bit import recognize
from signbin.errors import SpecError
from signbin.ir import BATCH, ConstRef, Graph, Node, TensorType, Value
from signbin.ir.form import Form
from signbin.nn.linear import as_numbers, expect_plain
from signbin.nn.program import ProgramModule
from signbin.runtime import Program
from signbin.spec import LowBitWeight

__all__ = ["Conv2d", "ConvolutionWindow"]

_SIZE: Final = (32, 32)


@dataclasses.dataclass(frozen=True)
class ConvolutionWindow:
    """How a convolution walks: stride, padding (zeros), dilation; rows, then columns."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


class Conv2d(ProgramModule):
    """y = W * x + bias with low-bit W, for inference on the CPU: one layer inside a model.

    weight: (K, C / groups, R, S), logical, or a float32 tensor whose filters have two or three
    values each. bias: float32 (K,) or None. x: (N, C, H, W) of any floating type and size; a new
    size is planned on its first call, the last four are kept. isa, threads: as for Program.

    Every layer converts images to the engine's layout and back: where several layers follow each
    other, a :class:`ProgramModule` of all of them is faster.

    >>> import torch, signbin.nn
    >>> layer = signbin.nn.Conv2d(torch.tensor([0, 0.5]).repeat(4).reshape(1, 2, 2, 2))
    >>> layer(torch.ones(1, 2, 2, 3))
    tensor([[[[2., 2.]]]])
    """

    def __init__(
        self,
        weight: LowBitWeight | Tensor,
        bias: Tensor | None = None,
        window: ConvolutionWindow | None = None,
        *,
        size: tuple[int, int] = _SIZE,
        isa: str = "auto",
        threads: int = 1,
    ) -> None:
        window = window or ConvolutionWindow()
        low_bit = _low_bit(weight)
        constants: dict[str, Any] = {"weight": low_bit}
        if bias is not None:
            constants["bias"] = _checked_bias(bias, low_bit.shape[0])
        artifact = Artifact(_graph(constants, window, size))
        super().__init__(Program(artifact, isa=isa, threads=threads))
        self.out_channels, self.in_channels = low_bit.shape[0], low_bit.shape[1] * window.groups
        self.kernel_size, self.window = low_bit.shape[2:], window
        self.has_bias = bias is not None

    @classmethod
    def from_conv2d(
        cls, module: nn.Conv2d, *, size: tuple[int, int] = _SIZE, threads: int = 1
    ) -> Self:
        """The packed form of a layer whose weights are low-bit, or of a signbin.quant.QConv2d.

        size: height and width of its usual input, which is planned now. SpecError where the weights
        are not low-bit, where a QConv2d quantises or centres its inputs, or where padding is not of
        zeros.
        """
        expect_plain(module, "signbin.nn.Conv2d")
        if module.padding_mode != "zeros":
            raise SpecError(
                "padding of a layer for signbin.nn.Conv2d",
                value=module.padding_mode,
                allowed="zeros",
                remedy="pad in front of it: torch.nn.functional.pad(x, ..., mode=...)",
            )
        quantized = getattr(module, "quantized_weight", None)
        with torch.no_grad():
            weight = module.weight if quantized is None else quantized()
        stride, dilation = _pair(module.stride), _pair(module.dilation)
        padding = _padding(module, dilation)
        window = ConvolutionWindow(stride, padding, dilation, module.groups)
        return cls(weight, module.bias, window, size=size, threads=threads)

    def extra_repr(self) -> str:
        """As nn.Conv2d's."""
        window = self.window
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={tuple(self.kernel_size)}, "
            f"stride={window.stride}, padding={window.padding}, dilation={window.dilation}, "
            f"groups={window.groups}, bias={self.has_bias}"
        )


def _graph(constants: dict[str, Any], window: ConvolutionWindow, size: tuple[int, int]) -> Graph:
    """The layer alone, for images of any size that it reaches."""
    filters, channels, *kernel = constants["weight"].shape
    attributes: dict[str, Any] = {name: ConstRef(name) for name in constants}
    attributes |= dataclasses.asdict(window)
    reach = [
        dilation * (extent - 1) + 1
        for dilation, extent in zip(window.dilation, kernel, strict=True)
    ]
    height, width = (max(pair) for pair in zip(size, reach, strict=True))
    made = tuple(
        (extent + 2 * padding - wanted) // stride + 1
        for extent, padding, wanted, stride in zip(
            (height, width), window.padding, reach, window.stride, strict=True
        )
    )
    given = TensorType("f32", (BATCH, channels * window.groups, height, width))
    node = Node("y", "conv2d", ("x",), attributes, TensorType("f32", (BATCH, filters, *made)))
    form: Form = 0
    inputs = (Value("x", given, free=(2, 3)),)
    return Graph("conv2d", inputs, (node,), ("y",), constants, form=form)


def _low_bit(weight: LowBitWeight | Tensor) -> LowBitWeight:
    found = recognize(as_numbers(weight)) if isinstance(weight, Tensor) else weight
    if not isinstance(found, LowBitWeight) or len(found.shape) != 4:
        raise SpecError(
            "weight of signbin.nn.Conv2d",
            value="float weights" if found is None else getattr(found, "shape", type(found)),
            allowed="(K, C, R, S) with two or three values per filter, such as {0, a} or {-a, a}, "
            "and 8 weights",
            remedy="quantise it first, or give a LowBitWeight",
        )
    return found


def _checked_bias(bias: Tensor, filters: int) -> NDArray[np.float32]:
    numbers = as_numbers(bias) if isinstance(bias, Tensor) else None
    if numbers is None or numbers.shape != (filters,) or not np.isfinite(numbers).all():
        raise SpecError(
            "bias of signbin.nn.Conv2d",
            value=type(bias).__name__ if numbers is None else numbers.shape,
            allowed=f"a tensor of {filters} finite numbers, or None",
        )
    return numbers


def _pair(given: tuple[int, ...]) -> tuple[int, int]:
    rows, columns = given
    return rows, columns


def _padding(module: nn.Conv2d, dilation: tuple[int, int]) -> tuple[int, int]:
    """In numbers; SpecError for ``same`` where the two sides would differ."""
    if module.padding == "valid":
        return 0, 0
    if module.padding != "same":
        return _pair(module.padding)  # type: ignore[arg-type]  # the words are done with
    whole = [step * (extent - 1) for step, extent in zip(dilation, module.kernel_size, strict=True)]
    if any(each % 2 for each in whole):
        raise SpecError(
            "padding of a layer for signbin.nn.Conv2d",
            value="'same' for an even kernel",
            allowed="equal padding on both sides",
            remedy="pad in front of it: torch.nn.functional.pad(x, ...)",
        )
    return whole[0] // 2, whole[1] // 2
