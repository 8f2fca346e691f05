"""From records to one Report: the kinds side by side, the commands, the headline."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Sequence

from signbin.report import words
from signbin.report.schema import Kind, Model, Report, ReportedComparison, ReportedRun, Study

__all__ = ["Fact", "ReportOrigin", "headline", "kind_of", "make_report"]


@dataclasses.dataclass(frozen=True)
class ReportOrigin:
    """How a report came to be.

    created: date and time, as it will be printed. version: signbin's. command: the command line
    that asked for the report, None where there was none.
    """

    created: str
    version: str
    command: str | None = None


@dataclasses.dataclass(frozen=True)
class Fact:
    """One number of the headline: what it is, the number, and what it was taken from."""

    label: str
    value: str
    note: str


def kind_of(training: ReportedRun) -> Kind:
    """The row of a training run: mean and sample standard deviation over its seeds."""
    found = training.accuracies
    return Kind(
        weights=training.weights,
        values=training.values,
        recipe=training.recipe,
        seeds=training.seeds,
        held_out=training.held_out,
        accuracies=found,
        mean=statistics.fmean(found) if found else None,
        spread=statistics.stdev(found) if len(found) > 1 else None,
        density=training.density,
        parameters=training.parameters,
        cost=training.cost,
    )


def make_report(
    trainings: Sequence[ReportedRun],
    models: Sequence[Model],
    comparison: ReportedComparison | None,
    making: ReportOrigin,
    studies: Sequence[Study] = (),
) -> Report:
    """One report of the given runs, models and studies, in their order; the first names it.

    comparison: of the first model.

    Commands are those recorded in the runs and the model, then the report's own, each once.
    """
    recorded = [training.command for training in trainings]
    recorded += [model.provenance.get("command") for model in models]
    commands = [text for text in (*recorded, making.command) if text]
    return Report(
        title=_title(trainings, models, studies),
        version=making.version,
        created=making.created,
        kinds=tuple(kind_of(training) for training in trainings),
        trainings=tuple(trainings),
        models=tuple(models),
        comparison=comparison,
        studies=tuple(studies),
        commands=tuple(dict.fromkeys(commands)),
    )


def headline(report: Report) -> tuple[Fact, ...]:
    """The numbers a reader looks for first, of what was given: runs, a comparison, a model."""
    return (
        *(fact for kind in report.kinds[:1] for fact in _of_training(kind)),
        *(() if report.comparison is None else _agreement(report.comparison)),
        *(fact for model in report.models[:1] for fact in _of_model(model)),
    )


def _title(
    trainings: Sequence[ReportedRun], models: Sequence[Model], studies: Sequence[Study]
) -> str:
    if len(trainings) + len(models) > 1 and not _belong_together(trainings, models):
        named = [f"{one.recipe}, {one.weights}" for one in trainings] or [
            one.path for one in models
        ]
        return " · ".join(dict.fromkeys(named))
    if trainings:
        return f"{trainings[0].recipe}, {trainings[0].weights} weights"
    return models[0].path if models else studies[0].title if studies else words.NOT_GIVEN


def _belong_together(trainings: Sequence[ReportedRun], models: Sequence[Model]) -> bool:
    return len(trainings) == 1 and len(models) <= 1


def _of_training(kind: Kind) -> Iterator[Fact]:
    if kind.mean is not None:
        seeds = f"mean of {len(kind.accuracies)} seeds ± standard deviation"
        note = f"{kind.weights}, {seeds if kind.spread is not None else 'one seed'}"
        label = f"{kind.held_out} accuracy"
        yield Fact(label, words.accuracy(kind.mean, kind.spread), note)
    if kind.density is not None:
        yield Fact("density", words.ratio(kind.density), "non-zero / all, quantised layers")


def _agreement(found: ReportedComparison) -> tuple[Fact, Fact]:
    engine = words.engine(found.reference)
    allowed = "" if found.tolerance is None else f", allowed {words.error(found.tolerance)}"
    return (
        Fact(
            f"same top-1 as {engine}",
            words.percent(found.top1_agreement),
            f"of {words.count(found.samples)} samples",
        ),
        Fact(
            "largest relative error",
            words.error(found.max_relative_error),
            f"max |difference| / max |reference|{allowed}",
        ),
    )


def _of_model(model: Model) -> Iterator[Fact]:
    """What the file says; a number that it does not hold has no tile."""
    if model.ms is not None:
        yield Fact("time per image", f"{words.milliseconds(model.ms)} ms", model.ms_how)
    if model.energy_uj is not None:
        yield Fact("energy per image", words.energy(model.energy_uj), model.energy_how)
    if model.bits_per_weight is not None:
        note = "quantised layers, with scales"
        yield Fact("bits per weight", words.ratio(model.bits_per_weight), note)
    if model.size_bytes is not None:
        whole = f"{words.ratio(model.file_bits_per_weight)} bits per weight with graph and plan"
        note = f"{words.count(model.weights)} weights, {whole}"
        yield Fact("file size", words.size(model.size_bytes), note)
