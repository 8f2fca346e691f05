"""What a training run is told, as a frozen dataclass; a recipe is one in YAML."""

from __future__ import annotations

import dataclasses

from signbin.errors import SpecError
from signbin.quant import Binary, LqNets, QuantConfig, SignedBinary, Ternary
from signbin.spec import ValueSet
from signbin.train.config.budget import BudgetConfig
from signbin.train.config.checks import check_at_least
from signbin.train.config.data import DataConfig
from signbin.train.config.execution import ExecutionConfig, LoggingConfig
from signbin.train.config.model import ModelConfig
from signbin.train.config.optimizer import LossConfig, OptimizerConfig

__all__ = ["QuantizerConfigs", "TrainConfig"]


@dataclasses.dataclass(frozen=True)
class QuantizerConfigs:
    """For every value set, how a run with these weights quantises them."""

    signed_binary: QuantConfig = dataclasses.field(
        default_factory=lambda: QuantConfig(SignedBinary())
    )
    binary: QuantConfig = dataclasses.field(default_factory=lambda: QuantConfig(Binary()))
    ternary: QuantConfig = dataclasses.field(default_factory=lambda: QuantConfig(Ternary()))
    multi_bit: QuantConfig = dataclasses.field(default_factory=lambda: QuantConfig(LqNets()))

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
    batch_norm_images: how many training images, varied as in training, the statistics of batch norm
    are re-estimated from before every evaluation (0: the moving averages of training are kept).
    epochs: 0 for a network that was made, not trained (see :func:`signbin.train.new_network`).

    start_from: a run folder, or a file of float weights (.safetensors, .pt, .pth), whose weights
    training starts with. average: decay per step of a moving average of the weights, which is
    then what is evaluated and kept; None for none. checkpoint_steps: a checkpoint every so many
    steps, too, and not after every epoch alone. patience: epochs in a row in which the network
    may give one answer to all held-out images before training is stopped as collapsed. budget: what
    the network may cost, which decides the densities of its layers; None for those of the
    quantiser.
    """

    recipe: str
    data: DataConfig
    model: ModelConfig
    epochs: int
    weights: ValueSet = ValueSet.SIGNED_BINARY
    quantizers: QuantizerConfigs = dataclasses.field(default_factory=QuantizerConfigs)
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    loss: LossConfig = dataclasses.field(default_factory=LossConfig)
    seeds: tuple[int, ...] = (0,)
    threads: int = 1
    batch_norm_images: int = 1024
    execution: ExecutionConfig = dataclasses.field(default_factory=ExecutionConfig)
    logging: LoggingConfig = dataclasses.field(default_factory=LoggingConfig)
    start_from: str | None = None
    average: float | None = None
    checkpoint_steps: int | None = None
    patience: int = 3
    budget: BudgetConfig | None = None

    def __post_init__(self) -> None:
        check_at_least("epochs", self.epochs, 0)
        check_at_least("threads", self.threads, 1)
        check_at_least("batch_norm_images", self.batch_norm_images, 0)
        check_at_least("patience", self.patience, 1)
        if self.checkpoint_steps is not None:
            check_at_least("checkpoint_steps", self.checkpoint_steps, 1)
        if self.average is not None and not 0 < self.average < 1:
            raise SpecError("average", value=self.average, allowed="0 < x < 1, or null")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise SpecError("seeds", value=self.seeds, allowed="different whole numbers >= 0")
        if not self.recipe.strip():
            raise SpecError("recipe", value=self.recipe, allowed="a name")
        if self.budget is not None:
            _check_budget(self, self.budget)


def _check_budget(config: TrainConfig, budget: BudgetConfig) -> None:
    """SpecError where something else decides the densities, or where there are none."""
    if config.weights is not ValueSet.SIGNED_BINARY:
        raise SpecError(
            "weights beside a budget",
            value=config.weights.value,
            allowed=f"{ValueSet.SIGNED_BINARY.value}: others have no densities to choose",
            remedy="leave the budget out: budget=null",
        )
    rule, where = config.quantizers.signed_binary.weight, "quantizers.signed_binary.weight"
    if not isinstance(rule, SignedBinary):
        raise SpecError(f"{where}.kind beside a budget", value=rule.kind, allowed="signed_binary")
    for name in ("density", "region_channels"):
        if getattr(rule, name) is not None:
            raise SpecError(
                f"{where}.{name} beside a budget",
                value=getattr(rule, name),
                allowed="null: the budget decides the density of whole filters",
            )
    if config.epochs and budget.after_epochs >= config.epochs:
        raise SpecError(
            "budget.after_epochs", value=budget.after_epochs, allowed=f"< {config.epochs} epochs"
        )
    if config.loss.ones is not None:
        raise SpecError("loss.ones beside a budget", allowed="null: the budget decides the share")
    if config.execution.cuda_graphs and budget.after_epochs:
        raise SpecError(
            "budget.after_epochs",
            value=budget.after_epochs,
            allowed="0 with execution.cuda_graphs: a recorded pass keeps its densities",
        )
