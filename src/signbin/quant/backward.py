"""Which library computes the gradients: oneDNN, but where it would write outside its memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

__all__ = ["backward_backend"]

# AVX2 kernels of oneDNN take channels by the eight.
_CHANNEL_BLOCK = 8


def backward_backend(model: nn.Module) -> contextlib.AbstractContextManager[None]:
    """The context for a backward pass through the model on the CPU.

    oneDNN's weight gradient of a 1x1 convolution with a stride, over fewer than eight channels
    that lie channels last, spins for ever or writes past its workspace on AVX2 (torch 2.13;
    https://github.com/uxlfoundation/oneDNN/issues/6035). A network that has such a layer gets its
    gradients from PyTorch's own kernels, on every CPU; all others keep oneDNN. The switch is the
    process's: other threads do without oneDNN meanwhile, too.
    """
    if any(_overruns(module) for module in model.modules()):
        return _without_onednn()
    return contextlib.nullcontext()


@contextlib.contextmanager
def _without_onednn() -> Iterator[None]:
    # Not ``torch.backends.mkldnn.flags``: it also sets TF32, and warns where there is no Intel GPU.
    before = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]  # stubs see no setter
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = before


def _overruns(module: nn.Module) -> bool:
    # Whatever the memory format: one channel is both, and so an image may turn channels last.
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and module.stride != (1, 1)
        and module.in_channels // module.groups < _CHANNEL_BLOCK
    )
