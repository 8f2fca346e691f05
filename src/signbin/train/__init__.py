"""Training: data, networks, recipes, the loop, and the run folders it leaves behind."""

from signbin.train.conduct import conduct, results_of
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
from signbin.train.experiment import Experiment, load_experiment
from signbin.train.failures import CollapseError, DivergenceError
from signbin.train.load import Run, load_run
from signbin.train.models import MODELS, Architecture, ImageTask, build_model, build_network
from signbin.train.packed import PackedNetwork, describe_packed, load_packed, pack
from signbin.train.recipe import load_recipe, parse_override, recipe_names
from signbin.train.run import RunResult, train
from signbin.train.untrained import BenchmarkNetwork, new_network

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
    "Experiment",
    "Holdout",
    "ImageTask",
    "LoggingConfig",
    "LossConfig",
    "ModelConfig",
    "Nonlinearity",
    "OptimizerConfig",
    "OptimizerName",
    "PackedNetwork",
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
    "conduct",
    "describe_packed",
    "load_dataset",
    "load_experiment",
    "load_packed",
    "load_recipe",
    "load_run",
    "new_network",
    "pack",
    "parse_override",
    "recipe_names",
    "results_of",
    "train",
    "write_test_images",
]
