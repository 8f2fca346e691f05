"""Training: data, networks, recipes, the loop, and the run folders it leaves behind."""

from signbin.train.benchmark_network import BenchmarkNetwork, new_network
from signbin.train.config import (
    BlockStyle,
    DataConfig,
    ExecutionConfig,
    Holdout,
    LoggingConfig,
    LossConfig,
    ModelConfig,
    Nonlinearity,
    OptimizerConfig,
    OptimizerName,
    Precision,
    QuantizerConfigs,
    ScheduleName,
    TeacherConfig,
    TeacherMode,
    TrainConfig,
)
from signbin.train.data import DATASETS, Dataset, load_dataset, write_test_images
from signbin.train.failures import CollapseError, DivergenceError
from signbin.train.load import Run, load_run
from signbin.train.models import MODELS, Architecture, ImageTask, build_model, build_network
from signbin.train.recipe import load_recipe, parse_override, recipe_names
from signbin.train.run import RunResult, train

__all__ = [
    "DATASETS",
    "MODELS",
    "Architecture",
    "BenchmarkNetwork",
    "BlockStyle",
    "CollapseError",
    "DataConfig",
    "Dataset",
    "DivergenceError",
    "ExecutionConfig",
    "Holdout",
    "ImageTask",
    "LoggingConfig",
    "LossConfig",
    "ModelConfig",
    "Nonlinearity",
    "OptimizerConfig",
    "OptimizerName",
    "Precision",
    "QuantizerConfigs",
    "Run",
    "RunResult",
    "ScheduleName",
    "TeacherConfig",
    "TeacherMode",
    "TrainConfig",
    "build_model",
    "build_network",
    "load_dataset",
    "load_recipe",
    "load_run",
    "new_network",
    "parse_override",
    "recipe_names",
    "train",
    "write_test_images",
]
