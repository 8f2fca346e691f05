"""On what, and how, the same training is computed."""

from __future__ import annotations

import dataclasses
import enum
import re
from typing import Final

from signbin.errors import SpecError

__all__ = ["ExecutionConfig", "LoggingConfig", "Precision"]

_DEVICE: Final = re.compile(r"(cpu|cuda(:\d+)?)\Z")


class Precision(enum.Enum):
    """What training multiplies in: float32, or autocast to bfloat16 (float32 master weights).

    Evaluation is always in float32.
    """

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclasses.dataclass(frozen=True)
class ExecutionConfig:
    """Speed alone: no option changes what is computed beyond rounding.

    device: cpu, cuda or cuda:N. channels_last: images and weights stored (N, H, W, C). compile:
    the training pass goes through torch.compile, which needs a C++ compiler. cuda_graphs: forward
    and backward pass are recorded once and replayed.
    """

    device: str = "cpu"
    precision: Precision = Precision.FLOAT32
    channels_last: bool = False
    compile: bool = False
    cuda_graphs: bool = False

    def __post_init__(self) -> None:
        if not _DEVICE.match(self.device):
            raise SpecError(
                "execution.device", value=self.device, allowed="cpu, cuda, or cuda:N as cuda:1"
            )
        if self.cuda_graphs and self.device == "cpu":
            raise SpecError(
                "execution.cuda_graphs", value=True, allowed="false, where device is cpu"
            )


@dataclasses.dataclass(frozen=True)
class LoggingConfig:
    """Where metrics go besides metrics.jsonl and metrics.csv, which are always written.

    tensorboard: event files in OUT/seed-S/tensorboard. wandb: a Weights & Biases project.
    """

    tensorboard: bool = False
    wandb: str | None = None
