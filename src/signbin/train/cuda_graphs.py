"""Forward and backward pass recorded once as a CUDA graph and replayed at every step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from signbin.train.data import Batch
from signbin.train.optimizers import JointOptimizer

__all__ = ["GraphedPass"]

_WARM_UP: int = 3

TrainingPass = Callable[[Batch], tuple[Tensor, Tensor]]


class GraphedPass:
    """Behaves as ``run`` for batches of one shape, without launching its kernels one by one.

    run: forward and backward pass, (loss, right answers) from a batch; it leaves gradients in the
    parameters of ``optimizer``. Warming up does what training steps do, so buffers of ``models``
    (batch-norm statistics, activation ranges) are put back afterwards.
    """

    def __init__(
        self,
        run: TrainingPass,
        models: tuple[nn.Module, ...],
        optimizer: Optimizer | JointOptimizer,
    ) -> None:
        self._run = run
        self._models = models
        self._optimizer = optimizer
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: Batch | None = None
        self._result: tuple[Tensor, Tensor] | None = None

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The result for this batch; valid until the next call."""
        if self._graph is None:
            self._record(batch)
        assert self._graph is not None
        assert self._batch is not None
        assert self._result is not None
        self._batch.images.copy_(batch.images)
        self._batch.labels.copy_(batch.labels)
        self._graph.replay()
        return self._result

    def _record(self, batch: Batch) -> None:
        self._batch = Batch(batch.images.clone(), batch.labels.clone())
        buffers = [buffer for model in self._models for buffer in model.buffers()]
        before = [buffer.clone() for buffer in buffers]
        generator = torch.cuda.get_rng_state()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                self._optimizer.zero_grad(set_to_none=True)
                self._run(self._batch)
        torch.cuda.current_stream().wait_stream(stream)
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)
        torch.cuda.set_rng_state(generator)
        # Gradients that do not exist yet are made in the graph's own memory.
        self._optimizer.zero_grad(set_to_none=True)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._result = self._run(self._batch)
