"""What a training run is told, as frozen dataclasses; a recipe is one of them in YAML."""

from signbin.train.config.budget import Allocation, BudgetConfig
from signbin.train.config.data import DataConfig, Holdout
from signbin.train.config.execution import ExecutionConfig, LoggingConfig, Precision
from signbin.train.config.model import BlockStyle, ModelConfig, Nonlinearity
from signbin.train.config.optimizer import (
    LossConfig,
    LowBitOptimizerConfig,
    OnesConfig,
    OptimizerConfig,
    OptimizerName,
    ScheduleName,
    TeacherConfig,
    TeacherMode,
)
from signbin.train.config.run import QuantizerConfigs, TrainConfig

__all__ = [
    "Allocation",
    "BlockStyle",
    "BudgetConfig",
    "DataConfig",
    "ExecutionConfig",
    "Holdout",
    "LoggingConfig",
    "LossConfig",
    "LowBitOptimizerConfig",
    "ModelConfig",
    "Nonlinearity",
    "OnesConfig",
    "OptimizerConfig",
    "OptimizerName",
    "Precision",
    "QuantizerConfigs",
    "ScheduleName",
    "TeacherConfig",
    "TeacherMode",
    "TrainConfig",
]
