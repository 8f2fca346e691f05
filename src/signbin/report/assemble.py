"""From records to one Report: the kinds side by side, the commands, the headline."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from signbin.report import words
from signbin.report.schema import Kind, Model, Report, ReportedComparison, ReportedRun

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
    model: Model | None,
    comparison: ReportedComparison | None,
    making: ReportOrigin,
) -> Report:
    """One report of the given runs, in their order; the first names it.

    Commands are those recorded in the runs and the model, then the report's own, each once.
    """
    recorded = [training.command for training in trainings]
    if model is not None:
        recorded.append(model.provenance.get("command"))
    commands = [text for text in (*recorded, making.command) if text]
    return Report(
        title=_title(trainings, model),
        version=making.version,
        created=making.created,
        kinds=tuple(kind_of(training) for training in trainings),
        trainings=tuple(trainings),
        model=model,
        comparison=comparison,
        commands=tuple(dict.fromkeys(commands)),
    )


def headline(report: Report) -> tuple[Fact, ...]:
    """The six numbers a reader looks for first; missing ones say "not given"."""
    return (_accuracy(report), _density(report), *_agreement(report), *_file(report))


def _title(trainings: Sequence[ReportedRun], model: Model | None) -> str:
    if trainings:
        return f"{trainings[0].recipe}, {trainings[0].weights} weights"
    return model.path if model else words.NOT_GIVEN


def _accuracy(report: Report) -> Fact:
    kind = report.kinds[0] if report.kinds else None
    if kind is None or kind.mean is None:
        return Fact("test accuracy", words.NOT_GIVEN, "no training run")
    seeds = f"mean of {len(kind.accuracies)} seeds ± standard deviation"
    note = seeds if kind.spread is not None else "one seed"
    label = f"{kind.held_out} accuracy"
    return Fact(label, words.accuracy(kind.mean, kind.spread), f"{kind.weights}, {note}")


def _density(report: Report) -> Fact:
    density = report.kinds[0].density if report.kinds else None
    return Fact("density", words.ratio(density), "non-zero / all, quantised layers")


def _agreement(report: Report) -> tuple[Fact, Fact]:
    found = report.comparison
    if found is None:
        note = "no comparison with PyTorch"
        return Fact("same top-1 as PyTorch", words.NOT_GIVEN, note), Fact(
            "largest relative error", words.NOT_GIVEN, note
        )
    agreement = words.percent(found.top1_agreement)
    allowed = "" if found.tolerance is None else f", allowed {words.error(found.tolerance)}"
    return (
        Fact("same top-1 as PyTorch", agreement, f"of {words.count(found.samples)} samples"),
        Fact(
            "largest relative error",
            words.error(found.max_relative_error),
            f"max |difference| / max |reference|{allowed}",
        ),
    )


def _file(report: Report) -> tuple[Fact, Fact]:
    model = report.model
    if model is None:
        note = "no compiled model"
        return Fact("bits per weight", words.NOT_GIVEN, note), Fact(
            "file size", words.NOT_GIVEN, note
        )
    whole = f"{words.ratio(model.file_bits_per_weight)} bits per weight with graph and plan"
    return (
        Fact(
            "bits per weight", words.ratio(model.bits_per_weight), "quantised layers, with scales"
        ),
        Fact(
            "file size",
            words.size(model.size_bytes),
            f"{words.count(model.weights)} weights, {whole}",
        ),
    )
