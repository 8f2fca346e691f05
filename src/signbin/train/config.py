"""What a training run is told, as frozen dataclasses; a recipe is one of them in YAML."""

from __future__ import annotations

import dataclasses
import enum
from typing import Final

from signbin.errors import SpecError
from signbin.quant import Binary, QuantConfig, SignedBinary, Ternary
from signbin.spec import ValueSet

__all__ = [
    "BlockStyle",
    "DataConfig",
    "Holdout",
    "LossConfig",
    "ModelConfig",
    "OptimizerConfig",
    "OptimizerName",
    "QuantizerConfigs",
    "ScheduleName",
    "TrainConfig",
]

_LARGEST_RATE: Final = 1e30


class Holdout(enum.Enum):
    """Which images measure accuracy.

    test: the data set's test part, after training on all of its training part. validation: a
    stratified fifth of the training part, after training on the rest: for choosing between
    recipes without looking at the test part.
    """

    TEST = "test"
    VALIDATION = "validation"


class BlockStyle(enum.Enum):
    """plain: convolution, batch norm, ReLU. paper: the block of the released training code."""

    PLAIN = "plain"
    PAPER = "paper"


class OptimizerName(enum.Enum):
    """Which rule turns gradients into steps."""

    ADAM = "adam"
    SGD = "sgd"


class ScheduleName(enum.Enum):
    """How the learning rate falls over a run."""

    CONSTANT = "constant"
    LINEAR = "linear"
    COSINE = "cosine"


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which images, and how a training image is varied.

    name: one of data.DATASETS. shift: largest random shift of a training image, pixels per axis,
    with black entering (shift 4 is "pad 4, random crop"). flip: mirror training images left
    to right, each with probability 1/2. folder: where the images are, for data sets that do not
    come with signbin. cache: folder for decoded images; None takes ``cache`` in the run folder.
    shape (channels, height, width) and classes: of generated images only.
    """

    name: str
    batch_size: int = 64
    shift: int = 0
    flip: bool = False
    holdout: Holdout = Holdout.TEST
    folder: str | None = None
    cache: str | None = None
    shape: tuple[int, ...] | None = None
    classes: int | None = None

    def __post_init__(self) -> None:
        _at_least("data.batch_size", self.batch_size, 2)
        _at_least("data.shift", self.shift, 0)
        if self.shape is not None and (len(self.shape) != 3 or min(self.shape) < 1):
            raise SpecError("data.shape", value=self.shape, allowed="[channels, height, width]")
        if self.classes is not None:
            _at_least("data.classes", self.classes, 2)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Which network.

    name: one of models.MODELS. width: channels of the first stage; the other layers scale with
    it; None takes the network's own. blocks: per stage, of networks whose name leaves it open.
    """

    name: str
    block_style: BlockStyle = BlockStyle.PAPER
    width: int | None = None
    blocks: int | None = None

    def __post_init__(self) -> None:
        for name in ("width", "blocks"):
            extent = getattr(self, name)
            if extent is not None:
                _at_least(f"model.{name}", extent, 1)


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """How weights are updated.

    momentum: of SGD (Nesterov); Adam keeps its usual 0.9, 0.999. weight_decay: of weight
    tensors, not of biases, batch norm and slopes. warmup: share of all steps over which the
    rate rises linearly. clip_gradient: largest L2 norm of the whole gradient, None for none.
    """

    name: OptimizerName = OptimizerName.ADAM
    learning_rate: float = 1e-3
    schedule: ScheduleName = ScheduleName.COSINE
    warmup: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip_gradient: float | None = None

    def __post_init__(self) -> None:
        # Beyond the upper end one step of the optimiser overflows float32.
        if not 0 < self.learning_rate <= _LARGEST_RATE:
            raise SpecError(
                "optimizer.learning_rate",
                value=self.learning_rate,
                allowed=f"0 < x <= {_LARGEST_RATE:g}",
            )
        for name in ("warmup", "momentum"):
            share = getattr(self, name)
            if not 0 <= share < 1:
                raise SpecError(f"optimizer.{name}", value=share, allowed="0 <= x < 1")
        if self.weight_decay < 0:
            raise SpecError("optimizer.weight_decay", value=self.weight_decay, allowed=">= 0")
        if self.clip_gradient is not None and self.clip_gradient <= 0:
            raise SpecError(
                "optimizer.clip_gradient", value=self.clip_gradient, allowed="> 0, or null"
            )


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Cross-entropy. label_smoothing: share of the target spread evenly over all classes."""

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise SpecError(
                "loss.label_smoothing", value=self.label_smoothing, allowed="0 <= x < 1"
            )


@dataclasses.dataclass(frozen=True)
class QuantizerConfigs:
    """For every value set, how a run with these weights quantises them."""

    signed_binary: QuantConfig = dataclasses.field(
        default_factory=lambda: QuantConfig(SignedBinary())
    )
    binary: QuantConfig = dataclasses.field(default_factory=lambda: QuantConfig(Binary()))
    ternary: QuantConfig = dataclasses.field(default_factory=lambda: QuantConfig(Ternary()))

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            weight = getattr(self, field.name).weight
            if weight.value_set is not ValueSet(field.name):
                raise SpecError(
                    f"quantizers.{field.name}.weight.kind",
                    value=weight.kind,
                    allowed=f"a quantiser to {ValueSet(field.name).values}",
                )

    def of(self, weights: ValueSet) -> QuantConfig | None:
        """The configuration for this value set; None for float."""
        if weights is ValueSet.FLOAT:
            return None
        config: QuantConfig = getattr(self, weights.value)
        return config


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """One training run, completely.

    recipe: the name it goes by. weights: the value set of the quantised layers; ``quantizers``
    says for each how its weights are quantised, so that a run with other weights changes that
    one key. seeds: one network is trained for each, in turn. threads: torch's, per operation.
    batch_norm_images: how many training images the statistics of batch norm are re-estimated
    from before every evaluation (0: the moving averages of training are kept). epochs: 0 for a
    network that was made, not trained (see :func:`signbin.train.new_network`).
    """

    recipe: str
    data: DataConfig
    model: ModelConfig
    epochs: int
    weights: ValueSet = ValueSet.SIGNED_BINARY
    quantizers: QuantizerConfigs = dataclasses.field(default_factory=QuantizerConfigs)
    optimizer: OptimizerConfig = OptimizerConfig()
    loss: LossConfig = LossConfig()
    seeds: tuple[int, ...] = (0,)
    threads: int = 1
    batch_norm_images: int = 1024

    def __post_init__(self) -> None:
        _at_least("epochs", self.epochs, 0)
        _at_least("threads", self.threads, 1)
        _at_least("batch_norm_images", self.batch_norm_images, 0)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise SpecError("seeds", value=self.seeds, allowed="different whole numbers >= 0")
        if not self.recipe.strip():
            raise SpecError("recipe", value=self.recipe, allowed="a name")


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise SpecError(name, value=value, allowed=f">= {least}")
