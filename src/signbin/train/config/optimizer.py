"""How weights are updated, and by what loss."""

from __future__ import annotations

import dataclasses
import enum
from typing import Final

from signbin.errors import SpecError
from signbin.train.config.checks import check_share
from signbin.train.config.model import ModelConfig

__all__ = [
    "LossConfig",
    "LowBitOptimizerConfig",
    "OnesConfig",
    "OptimizerConfig",
    "OptimizerName",
    "ScheduleName",
    "TeacherConfig",
    "TeacherMode",
]

_LARGEST_RATE: Final = 1e30


class OptimizerName(enum.Enum):
    """Which rule turns gradients into steps. adamw decays weights apart from the gradient."""

    ADAM = "adam"
    ADAMW = "adamw"
    SGD = "sgd"


class ScheduleName(enum.Enum):
    """How the learning rate falls over a run."""

    CONSTANT = "constant"
    LINEAR = "linear"
    COSINE = "cosine"
    STEP = "step"
    RESTARTS = "restarts"


@dataclasses.dataclass(frozen=True)
class LowBitOptimizerConfig:
    """How the latent weights of quantised layers are updated, where that differs from the rest.

    name, learning_rate, weight_decay: as in :class:`OptimizerConfig`, whose schedule, warm-up and
    momentum hold for all weights. Only the sign, or the rank, of a latent weight counts, so that
    its best rate has nothing to do with that of a float weight.
    """

    learning_rate: float
    name: OptimizerName | None = None
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _check_rates("optimizer.low_bit", self.learning_rate, self.weight_decay)


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """How weights are updated.

    momentum: of SGD (Nesterov); Adam and AdamW keep their usual 0.9, 0.999. weight_decay: of
    weight tensors, not of biases, batch norm and slopes. warmup: share of all steps over which the
    rate rises linearly. milestones: of schedule ``step``, the epochs after which the rate is
    multiplied by ``decay``; of ``restarts``, those after which a cosine begins anew. clip_gradient:
    largest L2 norm of the whole gradient, None for none. low_bit: rule, rate and decay of the
    latent weights of quantised layers; None for those of all.
    """

    name: OptimizerName = OptimizerName.ADAM
    learning_rate: float = 1e-3
    schedule: ScheduleName = ScheduleName.COSINE
    warmup: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip_gradient: float | None = None
    milestones: tuple[int, ...] = ()
    decay: float = 0.1
    low_bit: LowBitOptimizerConfig | None = None

    def __post_init__(self) -> None:
        _check_rates("optimizer", self.learning_rate, self.weight_decay)
        check_share("optimizer.warmup", self.warmup)
        check_share("optimizer.momentum", self.momentum)
        if self.clip_gradient is not None and self.clip_gradient <= 0:
            raise SpecError(
                "optimizer.clip_gradient", value=self.clip_gradient, allowed="> 0, or null"
            )
        if not 0 < self.decay <= 1:
            raise SpecError("optimizer.decay", value=self.decay, allowed="0 < x <= 1")
        self._check_milestones()

    def _check_milestones(self) -> None:
        increasing = list(self.milestones) == sorted(set(self.milestones))
        if not increasing or min(self.milestones, default=1) < 1:
            raise SpecError(
                "optimizer.milestones", value=self.milestones, allowed="epochs >= 1, increasing"
            )
        takes_them = self.schedule in {ScheduleName.STEP, ScheduleName.RESTARTS}
        if bool(self.milestones) != takes_them:
            raise SpecError(
                "optimizer.milestones",
                value=self.milestones,
                allowed="epochs with schedule step or restarts, none with others",
            )


def _check_rates(what: str, learning_rate: float, weight_decay: float) -> None:
    # Beyond the upper end one step of the optimiser overflows float32.
    if not 0 < learning_rate <= _LARGEST_RATE:
        raise SpecError(
            f"{what}.learning_rate", value=learning_rate, allowed=f"0 < x <= {_LARGEST_RATE:g}"
        )
    if not weight_decay >= 0:
        raise SpecError(f"{what}.weight_decay", value=weight_decay, allowed=">= 0")


class TeacherMode(enum.Enum):
    """Whether the teacher's batch norm takes the statistics of the batch or its own."""

    TRAIN = "train"
    EVAL = "eval"


@dataclasses.dataclass(frozen=True)
class TeacherConfig:
    """A trained network whose answers are learned, frozen.

    run: a run folder of signbin; or checkpoint: a file of weights (.safetensors, .pt, .pth) for
    the float network ``model``. share: of distillation in the loss, the rest is cross-entropy.
    temperature: both sides' logits are divided by it; the divergence is multiplied by its square,
    so that gradients keep their size. mode: the released code keeps the teacher in train mode.
    """

    run: str | None = None
    checkpoint: str | None = None
    model: ModelConfig | None = None
    temperature: float = 1.0
    share: float = 1.0
    mode: TeacherMode = TeacherMode.TRAIN

    def __post_init__(self) -> None:
        if (self.run is None) == (self.checkpoint is None):
            raise SpecError(
                "loss.teacher", value=(self.run, self.checkpoint), allowed="run or checkpoint"
            )
        if (self.checkpoint is None) != (self.model is None):
            raise SpecError(
                "loss.teacher.model", allowed="the network of a checkpoint; none beside run"
            )
        if not self.temperature > 0:
            raise SpecError("loss.teacher.temperature", value=self.temperature, allowed="> 0")
        if not 0 < self.share <= 1:
            raise SpecError("loss.teacher.share", value=self.share, allowed="0 < x <= 1")


@dataclasses.dataclass(frozen=True)
class OnesConfig:
    """A penalty while more than ``share`` of the codes are ones, ``weight`` of the whole loss.

    Another way to sparse filters than a density, see :func:`signbin.quant.ones_penalty`. Float
    networks have no codes and are trained without it.
    """

    share: float
    weight: float = 0.1

    def __post_init__(self) -> None:
        for name in ("share", "weight"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise SpecError(f"loss.ones.{name}", value=value, allowed="0 < x < 1")


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Cross-entropy, distillation from a teacher, and what is added to them.

    label_smoothing: share of the target spread evenly over all classes. distribution: weight of
    the distribution loss on the inputs of quantised layers (see :mod:`signbin.quant`), 0 for none.
    ones: a penalty on the share of ones among binary or signed-binary codes, None for none.
    """

    label_smoothing: float = 0.0
    distribution: float = 0.0
    teacher: TeacherConfig | None = None
    ones: OnesConfig | None = None

    def __post_init__(self) -> None:
        check_share("loss.label_smoothing", self.label_smoothing)
        if self.distribution < 0:
            raise SpecError("loss.distribution", value=self.distribution, allowed=">= 0")
