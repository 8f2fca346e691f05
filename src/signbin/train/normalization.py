"""Batch norm, a residual and a rectifier in one operation of two passes, where that can be had."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any, Final

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from signbin.errors import ExecutionError
from signbin.native import extension

__all__ = ["normalize"]

_TYPES: Final = (torch.float32, torch.bfloat16)
_MOST_CHANNELS: Final = 1 << 16


def normalize(
    norm: nn.BatchNorm2d,
    x: Tensor,
    nonlinearity: Callable[[Tensor], Tensor] | None = None,
    residual: Callable[[], Tensor] | None = None,
) -> Tensor:
    """nonlinearity(norm(x) + residual()): x (N, C, H, W) -> (N, C, H, W), of x's type.

    nonlinearity, residual: None leaves them out; a residual is (N, C, H, W), too. In training on
    the CPU, of float32 or bfloat16 stored (N, H, W, C), batch norm, sum and ReLU are one operation
    of signbin's native library: every array is read twice at most, and numbers are rounded once
    where PyTorch's three operations round three times. Statistics are summed in float64 from
    differences to the first pixel. Elsewhere (evaluation, GPUs, torch.compile, modules with hooks,
    other types, no native library) they are the modules' own operations. Running statistics are
    kept as ``nn.BatchNorm2d`` keeps them.

    >>> norm = nn.BatchNorm2d(2, eps=0.0)
    >>> x = torch.tensor([[[[1.0, 3.0]], [[8.0, 0.0]]]]).to(memory_format=torch.channels_last)
    >>> normalize(norm, x, nn.ReLU()).tolist()
    [[[[0.0, 1.0]], [[1.0, 0.0]]]]
    """
    if not _is_fused(norm, x):
        y: Tensor = norm(x)
        if residual is not None:
            y = y + residual()
        return y if nonlinearity is None else nonlinearity(y)
    added = None if residual is None else residual()
    fits = added is None or _is_like(added, x)
    rectify = fits and _is_rectifier(nonlinearity)
    weight, bias = norm.weight, norm.bias
    if weight is None:
        weight, bias = torch.ones(norm.num_features), torch.zeros(norm.num_features)
    joined = added if fits else None
    how = _How(norm.eps, rectify)
    y, mean, variance = _Normalize.apply(x, joined, weight, bias, how)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    _track(norm, mean, variance, x.numel() // norm.num_features)
    if added is not None and not fits:
        y = y + added
    return y if rectify or nonlinearity is None else nonlinearity(y)


def _is_rectifier(nonlinearity: Callable[[Tensor], Tensor] | None) -> bool:
    if isinstance(nonlinearity, nn.Module):
        return type(nonlinearity) is nn.ReLU and not _has_hooks(nonlinearity)
    return nonlinearity is torch.relu


def _is_fused(norm: nn.BatchNorm2d, x: Tensor) -> bool:
    if not norm.training or torch.compiler.is_compiling() or _has_hooks(norm):
        return False
    return _is_plain(x) and _fits(norm, x) and _library() is not None


def _fits(norm: nn.BatchNorm2d, x: Tensor) -> bool:
    """Whether the module is one of x's channels, in float32; PyTorch says what else it takes."""
    kept = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    return x.shape[1] == norm.num_features <= _MOST_CHANNELS and all(
        t.dtype is torch.float32 and t.device == x.device for t in kept if t is not None
    )


def _is_plain(x: Tensor) -> bool:
    """Whether the tensor's memory is [pixels][channels], here; one pixel alone has no variance."""
    return (
        type(x) is Tensor
        and x.device.type == "cpu"
        and x.dtype in _TYPES
        and x.dim() == 4
        and x.numel() > x.shape[1]
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def _is_like(residual: Tensor, x: Tensor) -> bool:
    return _is_plain(residual) and residual.shape == x.shape and residual.dtype == x.dtype


def _has_hooks(module: nn.Module) -> bool:
    """Whether somebody wants to see the module called."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
    return any(itertools.chain(*hooks))


def _library() -> Any:
    try:
        return extension()
    except ExecutionError:  # signbin trains without it, more slowly
        return None


@dataclasses.dataclass(frozen=True)
class _How:
    epsilon: float
    rectify: bool


class _Normalize(torch.autograd.Function):
    """y, mean and (biased) variance; the last two have no gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        residual: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        how: _How,
    ) -> tuple[Tensor, Tensor, Tensor]:
        y = torch.empty_like(x)
        mean, variance = torch.empty(x.shape[1]), torch.empty(x.shape[1])
        extension().normalize(
            x=_rows(x),
            residual=None if residual is None else _rows(residual),
            weight=weight.detach().numpy(),
            bias=bias.detach().numpy(),
            epsilon=how.epsilon,
            rectify=how.rectify,
            threads=torch.get_num_threads(),
            y=_rows(y),
            mean=mean.numpy(),
            variance=variance.numpy(),
        )
        ctx.save_for_backward(x, y, mean, variance, weight)
        ctx.how, ctx.joined = how, residual is not None
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, y, mean, variance, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_input = torch.empty_like(x)
        # Without a rectifier the residual's gradient is what came.
        masked = torch.empty_like(x) if ctx.joined and ctx.how.rectify else None
        of_weight, of_bias = torch.empty_like(weight), torch.empty_like(weight)
        extension().normalize_backward(
            x=_rows(x),
            y=_rows(y),
            mean=mean.numpy(),
            variance=variance.numpy(),
            weight=weight.detach().numpy(),
            epsilon=ctx.how.epsilon,
            rectify=ctx.how.rectify,
            threads=torch.get_num_threads(),
            gradient=_rows(gradient),
            input_gradient=_rows(of_input),
            residual_gradient=None if masked is None else _rows(masked),
            weight_gradient=of_weight.numpy(),
            bias_gradient=of_bias.numpy(),
        )
        of_residual = (gradient if masked is None else masked) if ctx.joined else None
        return of_input, of_residual, of_weight, of_bias, None


def _rows(x: Tensor) -> NDArray[Any]:
    """The tensor's memory, (pixels, channels); bfloat16, which numpy lacks, as int16."""
    pixels = x.detach().permute(0, 2, 3, 1)
    bits = pixels.view(torch.int16) if x.dtype is torch.bfloat16 else pixels
    rows: NDArray[Any] = bits.numpy().reshape(-1, x.shape[1])
    return rows


def _track(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, pixels: int) -> None:
    """Running statistics after another batch: moving averages, or those of all batches."""
    if norm.running_mean is None or norm.running_var is None:
        return
    with torch.no_grad():
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
        share = norm.momentum
        if share is None:
            share = 1.0 / float(norm.num_batches_tracked)  # type: ignore[arg-type]  # tracked
        norm.running_mean.lerp_(mean, share)
        norm.running_var.lerp_(variance * (pixels / (pixels - 1)), share)
