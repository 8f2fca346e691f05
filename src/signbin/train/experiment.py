"""Experiments: what is trained to answer one question, as one YAML file says it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signbin.documents import from_document
from signbin.errors import SpecError, unknown
from signbin.shipped import EXPERIMENTS
from signbin.strict_yaml import read_yaml
from signbin.train.config import TrainConfig
from signbin.train.recipe import load_recipe

__all__ = ["CHARTS", "Experiment", "Scale", "Training", "load_experiment"]

CHARTS = ("accuracy", "effectual", "density", "nested")


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much is trained: epochs and seeds of every run, and which of the runs (none: all).

    settings: keys of the recipe that this scale changes in all runs, as what it computes on.
    """

    epochs: int
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    settings: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Training:
    """One network to train: a run of the experiment with one seed."""

    run: str
    seed: int
    config: TrainConfig

    @property
    def name(self) -> str:
        """The folder it goes to."""
        return f"{self.run}-seed-{self.seed}"


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A question, the runs that answer it, and the scales they can be made at.

    name: of the file. recipe: what all runs start from. chart: one of CHARTS. runs: by name, the
    keys of the recipe a run changes. compare: for some runs, the runs their accuracy is set
    against, seed by seed.
    """

    name: str
    title: str
    question: str
    recipe: str
    chart: str
    scales: Mapping[str, Scale]
    runs: Mapping[str, Mapping[str, Any]]
    compare: Mapping[str, tuple[str, ...]]

    def trainings(
        self, scale: str, overrides: Mapping[str, Any] | None = None
    ) -> tuple[Training, ...]:
        """Everything that a scale trains, seed by seed: after the first, every run has a figure.

        overrides: keys of the recipe, applied last, as where the data is. SpecError for an unknown
        scale, or keys and values the recipe does not know.
        """
        if scale not in self.scales:
            raise unknown("scale", scale, self.scales)
        chosen = self.scales[scale]
        return tuple(
            Training(run, seed, self._config(run, seed, chosen, overrides or {}))
            for seed in chosen.seeds
            for run in chosen.runs
        )

    def _config(
        self, run: str, seed: int, scale: Scale, overrides: Mapping[str, Any]
    ) -> TrainConfig:
        length = {"epochs": scale.epochs, "seeds": [seed]}
        try:
            return load_recipe(
                self.recipe, {**self.runs[run], **scale.settings, **length, **overrides}
            )
        except SpecError as error:
            raise SpecError(f"run {run} of {self.name}: {error}") from error


@dataclasses.dataclass(frozen=True)
class _Text:
    """The keys of the file that are plain values."""

    title: str
    question: str
    recipe: str
    chart: str


@dataclasses.dataclass(frozen=True)
class _Extent:
    """The keys of a scale that are plain values."""

    epochs: int
    seeds: tuple[int, ...]
    runs: tuple[str, ...] = ()


def load_experiment(name_or_path: str | Path) -> Experiment:
    """Read an experiment that comes with signbin, or a YAML file of one's own.

    SpecError for a file that is none, and for names that nothing has.
    """
    text, name = EXPERIMENTS.read(name_or_path)
    content = dict(_mapping(read_yaml(text, name), name))
    scales = _mapping(content.pop("scales", None), "scales")
    runs = _mapping(content.pop("runs", None), "runs")
    compare = _mapping(content.pop("compare", {}), "compare")
    plain = from_document(_Text, content)
    if plain.chart not in CHARTS:
        raise unknown("chart", plain.chart, CHARTS)
    return Experiment(
        Path(name).stem,
        **{field: getattr(plain, field) for field in ("title", "question", "recipe", "chart")},
        scales={name: _scale(name, scale, runs) for name, scale in scales.items()},
        runs={name: _mapping(changes, f"runs.{name}") for name, changes in runs.items()},
        compare=_comparisons(compare, runs),
    )


def _scale(name: str, document: object, runs: Mapping[str, object]) -> Scale:
    content = dict(_mapping(document, f"scales.{name}"))
    settings = _mapping(content.pop("settings", {}), f"scales.{name}.settings")
    extent = from_document(_Extent, content, f"scales.{name}")
    chosen = _known(f"scales.{name}.runs", extent.runs or tuple(runs), runs)
    return Scale(extent.epochs, extent.seeds, chosen, settings)


def _known(where: str, names: tuple[str, ...], runs: Mapping[str, object]) -> tuple[str, ...]:
    for name in names:
        if not isinstance(name, str) or name not in runs:
            raise unknown(where, name, runs)
    return names


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SpecError(where, value=value, allowed="a mapping of keys to values")
    for key in value:
        if not isinstance(key, str):
            remedy = f'write it as text: "{key}"'
            raise SpecError(f"{where}: a name", value=key, allowed="text", remedy=remedy)
    return value


def _comparisons(
    compare: Mapping[str, Any], runs: Mapping[str, object]
) -> dict[str, tuple[str, ...]]:
    for name, others in compare.items():
        if not isinstance(others, list):
            raise SpecError(f"compare.{name}", value=others, allowed="a list of runs")
        _known(f"compare.{name}", (name, *others), runs)
    return {name: tuple(others) for name, others in compare.items()}
