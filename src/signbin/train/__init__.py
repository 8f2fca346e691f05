"""Training: data, networks, recipes, the loop, and the run folders it leaves behind."""

from signbin.train.budget import Pricing, RunBudget
from signbin.train.config import (
    Allocation,
    BlockStyle,
    BudgetConfig,
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
from signbin.train.network import fresh_network
from signbin.train.packed import PackedNetwork, describe_packed, load_packed, pack_run
from signbin.train.plum import PlumExperiment, load_plum
from signbin.train.recipe import load_recipe, parse_override, recipe_names
from signbin.train.run import RunResult, train
from signbin.train.run_experiment import results_of, run_experiment
from signbin.train.untrained import BenchmarkNetwork, new_network

__all__ = [
    "DATASETS",
    "MODELS",
    "Allocation",
    "Architecture",
    "BenchmarkNetwork",
    "BlockStyle",
    "BudgetConfig",
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
    "PlumExperiment",
    "Precision",
    "Pricing",
    "QuantizerConfigs",
    "Run",
    "RunBudget",
    "RunResult",
    "ScheduleName",
    "TeacherConfig",
    "TeacherMode",
    "TrainConfig",
    "build_model",
    "build_network",
    "describe_packed",
    "fresh_network",
    "load_dataset",
    "load_experiment",
    "load_packed",
    "load_plum",
    "load_recipe",
    "load_run",
    "new_network",
    "pack_run",
    "parse_override",
    "recipe_names",
    "results_of",
    "run_experiment",
    "train",
    "write_test_images",
]
