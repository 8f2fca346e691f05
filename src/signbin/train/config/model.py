"""Which network a run trains."""

from __future__ import annotations

import dataclasses
import enum

from signbin.train.config.checks import check_at_least

__all__ = ["BlockStyle", "ModelConfig", "Nonlinearity"]


class BlockStyle(enum.Enum):
    """plain: convolution, batch norm, ReLU. paper: the block of the released training code."""

    PLAIN = "plain"
    PAPER = "paper"


class Nonlinearity(enum.Enum):
    """What follows the sum of a block.

    leaky_relu has slope 0.1; prelu has one learned slope per channel, which starts at 0.25.
    """

    RELU = "relu"
    LEAKY_RELU = "leaky_relu"
    PRELU = "prelu"


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Which network.

    name: one of models.MODELS. nonlinearity: of every block; None takes the block style's own,
    prelu for ``paper`` and relu for ``plain``. width: channels of the first stage; the other
    layers scale with it; None takes the network's own. blocks: per stage, of networks whose name
    leaves it open.
    """

    name: str
    block_style: BlockStyle = BlockStyle.PAPER
    width: int | None = None
    blocks: int | None = None
    nonlinearity: Nonlinearity | None = None

    def __post_init__(self) -> None:
        for name in ("width", "blocks"):
            extent = getattr(self, name)
            if extent is not None:
                check_at_least(f"model.{name}", extent, 1)
