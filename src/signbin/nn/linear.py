"""A linear layer of packed low-bit weights, as a module."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from signbin.errors import ExecutionError, SpecError
from signbin.locks import ForkedOpenLock
from signbin.nn.bits import codes_of, state_of
from signbin.nn.inference import expect_inference
from signbin.nn.operator import number_of
from signbin.packed import PackedLinear, as_low_bit, pack_linear
from signbin.spec import LowBitWeight

__all__ = ["Linear", "as_numbers", "expect_plain"]

_ALLOWED: Final = ("float32", "dynamic_int8")
_PACKING: Final = ForkedOpenLock()


class Linear(nn.Module):
    """y = x W^T + bias with low-bit W, for inference on the CPU: signbin.linear inside a model.

    weight: (K, C), logical, or a float32 tensor whose filters have two or three values each. bias:
    float32 (K,) or None. activations: ``float32``, or ``dynamic_int8``, see signbin.pack_linear.
    x: (..., C) of any floating type, computed in float32; y has the type of x. Gradients are
    refused: call it under torch.inference_mode() or torch.no_grad().

    The state is a bit a weight, two where a filter mixes -1, 0 and +1. Packed for this CPU, once,
    and anew after a state was loaded, weights take as much again. To torch.export and torch.compile
    it is one operator, ``signbin::linear``.

    >>> import torch, signbin.nn
    >>> layer = signbin.nn.Linear(torch.tensor([[0, 0.5] * 8, [-2.0, 2] * 8]))
    >>> layer(torch.ones(1, 16))
    tensor([[4., 0.]])
    """

    bits: Tensor
    levels: Tensor
    signs: Tensor | None
    scale: Tensor
    offset: Tensor | None
    bias: Tensor | None
    _packed: PackedLinear | None
    _number: int

    def __init__(
        self,
        weight: LowBitWeight | Tensor,
        bias: Tensor | None = None,
        *,
        activations: str = "float32",
        threads: int = 1,
    ) -> None:
        super().__init__()
        if activations not in _ALLOWED:
            raise SpecError(
                "activations of signbin.nn.Linear", value=activations, allowed=", ".join(_ALLOWED)
            )
        low_bit = as_low_bit(as_numbers(weight) if isinstance(weight, Tensor) else weight)
        if bias is not None and not isinstance(bias, Tensor):
            raise SpecError(
                "bias of signbin.nn.Linear",
                value=type(bias).__name__,
                allowed="a tensor, or None",
                remedy="torch.from_numpy(bias)",
            )
        self.out_features, self.in_features = low_bit.shape
        self.activations, self.threads = activations, threads
        bits, levels, signs = state_of(low_bit.codes)
        offset = None if low_bit.offset is None else torch.from_numpy(low_bit.offset.copy())
        state = {
            "bits": bits,
            "levels": levels,
            "signs": signs,
            "scale": torch.from_numpy(low_bit.scale.copy()),
            "offset": offset,
            "bias": None if bias is None else bias.detach().clone(),
        }
        for name, tensor in state.items():
            self.register_buffer(name, tensor)
        self._packed, self._number = None, 0
        self._pack()

    @classmethod
    def from_linear(cls, module: nn.Linear, *, activations: str = "float32") -> Self:
        """The packed form of a layer whose weights are low-bit, or of a signbin.quant.QLinear.

        SpecError where they are not, or where a QLinear quantises or centres its inputs.
        """
        expect_plain(module, "signbin.nn.Linear")
        quantized = getattr(module, "quantized_weight", None)
        with torch.no_grad():
            weight = module.weight if quantized is None else quantized()
        return cls(weight, module.bias, activations=activations)

    def forward(self, x: Tensor) -> Tensor:
        """y (..., K) of x (..., C); ExecutionError for other shapes, types, devices, gradients."""
        if not isinstance(x, Tensor) or not x.is_floating_point():
            kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise ExecutionError(
                "input of signbin.nn.Linear",
                value=str(kind),
                allowed="a tensor of a floating type",
                remedy="x.float()",
            )
        expect_inference("signbin.nn.Linear", x)
        if self._packed is None:
            self._pack()
        y: Tensor = torch.ops.signbin.linear(x.float(), self._number, self.out_features)
        return y.to(x.dtype)

    def extra_repr(self) -> str:
        """As nn.Linear's, and how the input is read."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, activations={self.activations}"
        )

    def low_bit(self) -> LowBitWeight:
        """The weights, logical, from the state."""
        codes = codes_of(self.bits, self.levels, self.signs, self.in_features)
        offset = None if self.offset is None else as_numbers(self.offset.float())
        return LowBitWeight(codes, as_numbers(self.scale.float()), offset)

    def _pack(self) -> None:
        """One thread packs; to others the layer is packed once its number is known."""
        with _PACKING:
            if self._packed is not None:
                return
            bias = None if self.bias is None else as_numbers(self.bias.float())
            packed = pack_linear(
                self.low_bit(), bias, activations=self.activations, threads=self.threads
            )
            self._number = number_of(packed)
            self._packed = packed

    def _load_from_state_dict(self, *arguments: Any, **named: Any) -> None:
        """Loaded weights are packed on the next call."""
        super()._load_from_state_dict(*arguments, **named)
        self._packed = None

    def __getstate__(self) -> dict[str, Any]:
        """Packed weights and their number stay in this process."""
        return {**self.__dict__, "_packed": None, "_number": 0}


def expect_plain(module: nn.Module, wanted: str) -> None:
    """SpecError for a quantised layer that does more to its inputs than to multiply them."""
    config = getattr(module, "config", None)
    if config is not None and (config.activation is not None or config.centre_inputs):
        raise SpecError(
            f"a layer for {wanted}",
            value="one that changes its inputs",
            allowed="one that reads them as they are",
            remedy="compile the network: signbin.compile keeps quantised activations",
        )


def as_numbers(tensor: Tensor) -> NDArray[np.float32]:
    """A copy as numpy has it; SpecError for a tensor that is not float32 on the CPU."""
    if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
        raise SpecError(
            "tensor of a signbin.nn module",
            value=f"{tensor.dtype} on {tensor.device}",
            allowed="torch.float32 on the CPU",
            remedy="tensor.float().cpu()",
        )
    made: NDArray[np.float32] = tensor.detach().numpy().copy()
    return made
