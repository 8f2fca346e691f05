"""The network that a configuration describes, before any training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from signbin.documents import to_document
from signbin.errors import SpecError
from signbin.quant import quantize_
from signbin.train.config import TrainConfig
from signbin.train.data import Dataset, load_dataset
from signbin.train.models import build_model, is_larger_convolution

__all__ = ["fresh_network", "make_model"]


def make_model(config: TrainConfig, dataset: Dataset) -> nn.Module:
    """The network of a configuration, quantised, with fresh weights.

    SpecError where it does not fit into memory.
    """
    try:
        model = build_model(config.model, dataset)
    except (MemoryError, RuntimeError) as error:  # torch's allocator has no error of its own
        raise SpecError(
            "model that cannot be built",
            value=to_document(config.model),
            reason=str(error)[:300],
            remedy="make it smaller",
        ) from error
    quantizer = config.quantizers.of(config.weights)
    if quantizer is not None:
        quantize_(model, quantizer, filter_fn=is_larger_convolution)
    return model


def fresh_network(config: TrainConfig) -> tuple[nn.Module, Tensor]:
    """The network of a configuration with fresh weights, in evaluation mode, and two black images.

    torch's global generator is put back. Errors of :func:`make_model` and of the data set.
    """
    dataset = load_dataset(config.data)
    with torch.random.fork_rng(devices=[]):
        model = make_model(config, dataset)
    return model.eval(), torch.zeros(2, *dataset.shape)
